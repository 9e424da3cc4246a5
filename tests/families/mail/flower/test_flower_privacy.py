"""Flower's own differential privacy: what its wrappers do, and what they are made to do here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.clients import UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, load_mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.local_round import train_client
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.protocol import Protocol

pytest.importorskip("flwr")

import flwr.app
import flwr.serverapp.strategy as strategies
from opacus.accountants import RDPAccountant

from veilbench.families.mail.flower.accountant import OpacusAccountant
from veilbench.families.mail.flower.app import DEFAULTS
from veilbench.families.mail.flower.in_process import run_in_process
from veilbench.families.mail.flower.strategy import WEIGHT, create_strategy

SIDES = ["server_side_fixed", "client_side_fixed"]
SIZES, CLIENTS, CLIP, SEED = (40, 60), 3, 0.05, 7
UPDATES = [np.float32([3.0, 4.0]), np.float32([0.0, -2.0]), np.float32([-1.0, 1.0])]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    corpus = MailCorpus(mails=500, tail=500, names=200, numbers=200, senders=30)
    MailData(corpus, Tokeniser(most_words=2_000), UnequalClients(SIZES), split=(0.6, 0.1, 0.1, 0.2)).prepare(folder)
    return folder


def run(prepared: Path, privacy: str, tap: Any = None, **settings: Any) -> MailFilter:
    own = {"rounds": 2, "batch_size": 10_000, "optimizer": "sgd", "learning_rate": 0.5, "seed": SEED, "clip": CLIP}
    return run_in_process(
        {"prepared": str(prepared), "clients": CLIENTS, "privacy": privacy, **own, **settings}, CLIENTS, tap
    )


def numbers(made: MailFilter) -> np.ndarray:
    return np.append(made.weights["embedding.weight"][:, 0], made.weights["bias.weight"])


def by_hand(prepared: Path, noise_multiplier: float, rounds: int) -> tuple[np.ndarray, list[float]]:
    """Clip, mean, noise; and how long the updates were."""
    mails, rng, lengths = load_mails(prepared), np.random.RandomState(SEED), list[float]()
    protocol = Protocol({}, batch_size=10_000, optimizer="sgd", learning_rate=0.5)
    at = np.zeros(mails.vocabulary.size + 1)
    for _ in range(rounds):
        begin = {"embedding.weight": at[:-1, None].astype(np.float32), "bias.weight": at[-1:, None].astype(np.float32)}
        total = np.zeros_like(at)
        for client in range(CLIENTS):
            own = mails.clients == client
            update = train_client(begin, mails.train.tokens[own], mails.train.labels[own], protocol, 0)
            lengths.append(float(np.sqrt(np.sum(update**2))))
            total += update * min(1.0, CLIP / lengths[-1])
        deviation = noise_multiplier * CLIP / CLIENTS
        noise = [rng.normal(0, deviation, shape) for shape in ((len(at) - 1, 1), (1, 1))]
        at = at + total / CLIENTS + np.concatenate([part.ravel() for part in noise])
    return at, lengths


@pytest.mark.parametrize("privacy", SIDES)
def test_flower_clips_averages_and_adds_noise_as_a_plain_loop(prepared: Path, privacy: str) -> None:
    """Of unequal clients, each of which counts the same; some updates are clipped, all if need be."""
    wanted, lengths = by_hand(prepared, 0.5, 2)
    made = numbers(run(prepared, privacy, noise_multiplier=0.5))
    np.testing.assert_allclose(made, wanted, atol=2e-6)
    assert max(lengths) > 2 * CLIP
    assert np.abs(wanted).max() > 100 * 2e-6


def test_the_seed_decides_the_noise_and_nobody_elses_generator_is_touched(prepared: Path) -> None:
    np.random.seed(3)
    first = np.random.random()
    np.random.seed(3)
    one, two, other = (run(prepared, SIDES[0], rounds=1, seed=seed) for seed in (SEED, SEED, 8))
    assert np.random.random() == first
    assert (numbers(one) == numbers(two)).all()
    assert (numbers(one) != numbers(other)).mean() > 0.99


@pytest.mark.parametrize("privacy", SIDES)
def test_the_noise_has_the_deviation_that_is_claimed(prepared: Path, privacy: str) -> None:
    loud, silent = (numbers(run(prepared, privacy, rounds=1, noise_multiplier=z)) for z in (4.0, 1e-9))
    noise = (loud - silent) / (CLIP / CLIENTS)
    assert noise.std() == pytest.approx(4.0, rel=3 / np.sqrt(2 * len(noise)))
    assert abs(noise.mean()) < 4 * 4.0 / np.sqrt(len(noise))


def test_who_clips_is_seen_in_what_leaves_a_client(prepared: Path) -> None:
    """And no length of an update is told; without privacy it is, with the number of mails."""
    sent: dict[str, list[float]] = {}
    told: dict[str, list[dict[str, Any]]] = {}

    def tap_of(privacy: str) -> Any:
        def tap(reply: Any) -> None:
            arrays = reply.content["arrays"].to_numpy_ndarrays()
            sent.setdefault(privacy, []).append(float(np.sqrt(sum((a**2).sum() for a in arrays))))
            told.setdefault(privacy, []).append(dict(reply.content["metrics"]))

        return tap

    for privacy in ("none", *SIDES):
        run(prepared, privacy, tap_of(privacy), rounds=1)
    assert sent["client_side_fixed"] == pytest.approx([min(CLIP, length) for length in sent["none"]], rel=1e-4)
    assert sent["server_side_fixed"] == sent["none"]
    assert max(sent["none"]) > 2 * CLIP
    assert told["server_side_fixed"] == told["client_side_fixed"] == [{WEIGHT: 1}] * CLIENTS
    assert [metrics["update-norm"] for metrics in told["none"]] == pytest.approx(sent["none"], rel=1e-5)
    assert sorted(metrics[WEIGHT] for metrics in told["none"])[:2] == list(SIZES)


def replies(updates: list[np.ndarray], weights: list[float]) -> list[Any]:
    """What clients would answer, who began from zeros."""
    made = []
    for who, (update, weight) in enumerate(zip(updates, weights, strict=True), 1):
        asked = flwr.app.Message(flwr.app.RecordDict(), who, "train")
        metrics = flwr.app.MetricRecord({WEIGHT: weight})
        content = flwr.app.RecordDict({"arrays": flwr.app.ArrayRecord([update.copy()]), "metrics": metrics})
        made.append(flwr.app.Message(content, reply_to=asked))
    return made


class EverybodyIsThere:
    """As much of Flower's Grid as a strategy asks for."""

    def get_node_ids(self) -> list[int]:
        return [1, 2, 3]


def aggregated(strategy: Any, updates: list[np.ndarray], weights: list[float]) -> np.ndarray | None:
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 1  # Flower's messages need one
    config, begin = flwr.app.ConfigRecord(), flwr.app.ArrayRecord([np.zeros(2, np.float32)])
    list(strategy.configure_train(1, begin, config, EverybodyIsThere()))
    arrays, _ = strategy.aggregate_train(1, replies(updates, weights))
    return None if arrays is None else np.asarray(arrays.to_numpy_ndarrays()[0])


def moved_by_one(weights: list[float], **how: Any) -> float:
    """How far the mean moves where the last client's update becomes zero, without noise."""
    small = [update / np.linalg.norm(update) * 0.999 for update in UPDATES]  # none is clipped
    fewest = {"min_available_nodes": 3, "min_train_nodes": 3, "weighted_by_key": WEIGHT}
    made = []
    for last in (small[2], small[2] * 1e-9):
        inner = strategies.FedAvg(fraction_evaluate=0.0, **fewest)
        wrapper = strategies.DifferentialPrivacyServerSideFixedClipping(inner, 1e-12, 1.0, 3, **how)
        made.append(aggregated(wrapper, [*small[:2], last], weights))
    return float(np.linalg.norm(np.subtract(*made)))  # type: ignore[call-overload]


def test_flowers_noise_fits_equal_weights_and_not_the_number_of_mails() -> None:
    """Its noise is in units of clip / clients; weights by mails let one client move the mean by nearly all of clip."""
    assert moved_by_one([1.0, 1.0, 1.0]) == pytest.approx(1 / 3, rel=0.01)
    assert moved_by_one([1.0, 1.0, 98.0]) == pytest.approx(0.98, rel=0.01)
    with pytest.raises(ValueError, match="requires equal client weights"):
        moved_by_one([1.0, 1.0, 98.0], accountant=OpacusAccountant(1e-5, 3))


@pytest.mark.parametrize("privacy", SIDES)
def test_a_round_without_everybodys_answer_does_not_count(privacy: str) -> None:
    """The noise would be that of more clients than are in the mean."""
    settings = {**DEFAULTS, "privacy": privacy, "clients": 3}
    strategy = create_strategy(settings)
    assert aggregated(strategy, UPDATES[:2], [1.0, 1.0]) is None
    assert strategy.privacy_spent().num_releases == 0
    assert aggregated(create_strategy(settings), UPDATES, [1.0, 1.0, 1.0]) is not None


def test_flowers_record_of_epsilon_is_opacus_own() -> None:
    strategy, reference = create_strategy({**DEFAULTS, "privacy": SIDES[0], "noise_multiplier": 1.5}), RDPAccountant()
    assert strategy.privacy_spent().epsilon == 0
    for rounds in (1, 2):
        aggregated(strategy, UPDATES, [1.0, 1.0, 1.0])
        reference.step(noise_multiplier=1.5, sample_rate=1.0)
        assert strategy.privacy_spent().num_releases == rounds
        assert strategy.privacy_spent().epsilon == pytest.approx(reference.get_epsilon(delta=1e-5))


def test_flowers_adaptive_clipping_goes_the_wrong_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why it is not offered: where all are clipped, Andrew et al. 2021 raise the bound, and Flower 1.41 lowers it.

    And its noise is in units of the new bound, whereas the updates were clipped to the old one.
    """
    deviations: list[float] = []
    module = "flwr.serverapp.strategy.dp_adaptive_clipping"
    monkeypatch.setattr(f"{module}.add_gaussian_noise_inplace", lambda _, deviation: deviations.append(deviation))
    monkeypatch.setattr(np.random, "normal", lambda count, _: count)  # of the count of clipped updates
    fewest = {"min_available_nodes": 3, "min_train_nodes": 3, "weighted_by_key": WEIGHT}
    inner = strategies.FedAvg(fraction_evaluate=0.0, **fewest)
    made = strategies.DifferentialPrivacyServerSideAdaptiveClipping(inner, 1.0, 3, 0.1, clipped_count_stddev=2.0)
    mean = aggregated(made, UPDATES, [1.0, 1.0, 1.0])
    directions = [update / np.linalg.norm(update) for update in UPDATES]
    np.testing.assert_allclose(mean, 0.1 * np.mean(directions, 0), atol=1e-6)
    assert made.clipping_norm == pytest.approx(0.1 * np.exp(-0.2 * 0.5))
    assert deviations == [pytest.approx(made.noise_multiplier * made.clipping_norm / 3)]


def test_what_flowers_clipping_does_not_bear() -> None:
    """Numbers that are none go through it, and an update of nothing but zeros ends it."""
    broken = np.float32([np.nan, 1.0])
    mean = aggregated(create_strategy({**DEFAULTS, "privacy": SIDES[0]}), [*UPDATES[:2], broken], [1.0, 1.0, 1.0])
    assert mean is not None
    assert np.isnan(mean[0])
    with pytest.raises(ZeroDivisionError):
        aggregated(create_strategy({**DEFAULTS, "privacy": SIDES[0]}), [*UPDATES[:2], 0 * UPDATES[2]], [1.0, 1.0, 1.0])


def test_bad_settings_are_one_line(prepared: Path) -> None:
    with pytest.raises(UserError, match="privacy=nonesuch is not allowed: one of none, server_side_fixed, client_"):
        run(prepared, "nonesuch")
    with pytest.raises(UserError, match="is for strategy=fedavg or fedprox, not for strategy=median: Flower's noise"):
        run(prepared, SIDES[0], strategy="median")
