"""The source's protocol: what crosses it, what it is good for, and what a client can be told."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.modules.hashmap_clients import HashmapClients
from veilbench.families.templates.schemes.client_hashmaps import ClientHashmaps
from veilbench.families.templates.training.clients import Clients
from veilbench.families.templates.training.hashmap_exchange import HashmapServer, pack_message, unpack_message
from veilbench.workflow.compose import composed, plain

CODE, PEOPLE, EACH = 8, 12, 3


@pytest.fixture
def data() -> Identities:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(100, 100 + PEOPLE), EACH)
    patterns = rng.random((PEOPLE, 1, 16, 16))
    images = np.clip(patterns[who - 100] + rng.normal(0, 0.1, (len(who), 1, 16, 16)), 0, 1).astype(np.float32)
    part = Impressions(images, who, np.tile(np.arange(EACH), PEOPLE), {})
    return Identities(part, part, part, part, {}, [])


def module(**settings: Any) -> HashmapClients:
    return HashmapClients(**{"clients": 3, "code": CODE, "channels": (8,), "impressions": 2, "people": 4} | settings)


def fitted(
    data: Identities, folder: Path, rounds: int = 3, steps: int = 2, **settings: Any
) -> tuple[ClientHashmaps, HashmapClients, Any]:
    clients = module(**settings)
    training = Clients(rounds, steps)
    model, found = training.fit(clients, data, Accelerator("cpu"), np.random.SeedSequence(0), folder)
    assert isinstance(model, ClientHashmaps)
    return model, clients, found


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bytes]]:
    messages: list[tuple[str, int, bytes]] = []
    receive, message_for = HashmapServer.receive, HashmapServer.message_for

    def received(self: HashmapServer, client: int, message: bytes) -> None:
        messages.append(("up", client, message))
        receive(self, client, message)

    def sent(self: HashmapServer, client: int) -> bytes:
        messages.append(("down", client, message := message_for(self, client)))
        return message

    monkeypatch.setattr(HashmapServer, "receive", received)
    monkeypatch.setattr(HashmapServer, "message_for", sent)
    return messages


def test_only_hashmaps_and_identities_cross_the_exchange(
    data: Identities, tmp_path: Path, recorded: list[tuple[str, int, bytes]]
) -> None:
    _, clients, _ = fitted(data, tmp_path)
    assert len(recorded) == 3 * 2 * 3
    own = {who: set(party.sampler.people.tolist()) for who, party in enumerate(clients.parties)}
    assert sorted(person for people in own.values() for person in people) == list(range(100, 100 + PEOPLE))
    for way, who, message in recorded:
        parts = load(message)
        assert parts.keys() == {"hashmaps", "identities"}
        senders = {who} if way == "up" else {0, 1, 2} - {who}
        people = set.union(*(own[sender] for sender in senders))
        assert parts["hashmaps"].shape == (2 * len(people), CODE)
        np.testing.assert_allclose(np.linalg.norm(parts["hashmaps"], axis=1), 1, rtol=1e-5)
        assert set(parts["identities"].tolist()) == people
        assert len(message) < 2 * len(people) * (4 * CODE + 8) + 200  # no room for anything else
    assert len({message for way, _, message in recorded if way == "up"}) == 9  # encoders change, and hashmaps too


def test_the_others_images_count_by_their_hashmaps_alone(
    data: Identities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, clients, _ = fitted(data, tmp_path, rounds=1)
    others = np.isin(data.train.identities, clients.parties[0].sampler.people, invert=True)
    images = data.train.images.copy()
    images[others] = np.random.default_rng(5).random(images[others].shape)
    changed = replace(data, train=replace(data.train, samples=images))
    two, _, _ = fitted(changed, tmp_path, rounds=1)
    monkeypatch.setattr(
        HashmapServer, "message_for", lambda self, client: pack_message(np.eye(CODE, dtype=np.float32), np.arange(CODE))
    )
    three, _, _ = fitted(data, tmp_path, rounds=1)
    four, _, _ = fitted(changed, tmp_path, rounds=1)
    weights = [model.arrays()["0.last.weight"] for model in (one, two, three, four)]
    assert np.abs(weights[0] - weights[1]).max() > 0  # other hashmaps came
    assert np.abs(weights[0] - weights[2]).max() > 0
    np.testing.assert_array_equal(weights[2], weights[3])  # the same hashmaps came, of other images


def test_clients_have_encoders_of_their_own_and_keep_away_from_the_others(data: Identities, tmp_path: Path) -> None:
    first, _, _ = fitted(data, tmp_path, 1, 1, learning_rate=1e-9)
    model, clients, found = fitted(data, tmp_path, 20, 5, learning_rate=3e-3)
    weights = [model.arrays()[f"{client}.last.weight"] for client in range(3)]
    assert not np.allclose(weights[0], weights[1])

    def across(scheme: ClientHashmaps) -> float:
        own = [np.isin(data.train.identities, party.sampler.people) for party in clients.parties]
        codes = scheme.features(data.train.images).reshape(-1, 3, CODE)
        return float((codes[own[0], 0] @ codes[own[1], 1].T).mean())

    assert across(model) < across(first) - 0.2
    assert found.figures[0].curves[0].y[-1] < found.figures[0].curves[0].y[0]
    assert found.cost["bytes_up"] < found.cost["bytes_down"]


def test_the_seed_decides_and_what_was_saved_comes_back(data: Identities, tmp_path: Path) -> None:
    one, two = (fitted(data, tmp_path)[0] for _ in range(2))
    one.save(tmp_path)
    back, keys = load_trained_model(tmp_path), np.arange(len(data.probe), dtype=np.uint64)
    assert isinstance(back, ClientHashmaps)
    for other in (two, back):
        np.testing.assert_array_equal(one.enroll(data.probe.images, keys), other.enroll(data.probe.images, keys))


def test_what_is_no_message_is_refused() -> None:
    server, rows = HashmapServer(), np.ones((2, 4), np.float32)
    with pytest.raises(UserError, match="holds no hashmaps"):
        server.receive(0, b"\x00" * 30)
    with pytest.raises(UserError, match="a message holds"):
        unpack_message(save({"hashmaps": rows, "identities": np.arange(2), "images": rows}))
    with pytest.raises(UserError, match="not finite"):
        pack_message(rows * np.nan, np.arange(2))
    with pytest.raises(UserError, match="cannot be sent"):
        pack_message(rows, np.arange(3))
    server.receive(0, pack_message(rows, np.arange(2)))
    with pytest.raises(UserError, match="no strangers to learn from"):
        server.message_for(0)
    with pytest.raises(UserError, match="client 1 have 3 numbers, not 4"):
        server.receive(1, pack_message(rows[:, :3].copy(), np.arange(2)))


def test_more_clients_than_people_are_refused(data: Identities, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clients=13 is more than the 12 training identities"):
        fitted(data, tmp_path, clients=13)


def test_the_config_writes_out_every_argument() -> None:
    node = plain(composed(["data=prints_small", "model=hashmap_clients", "training=hashmap_clients"]))
    assert isinstance(build(node["model"]), HashmapClients)
    assert isinstance(build(node["training"]), Clients)
    named = inspect.signature(HashmapClients).parameters
    assert node["model"].keys() - {"_target_"} == named.keys()
    for key in named.keys() - {"augmentation", "channels"}:
        assert node["model"][key] == named[key].default
