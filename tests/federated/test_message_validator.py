from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregation, Client, parse_message, parse_stamp
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.faulty import Fault, Faulty
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.aggregations.secagg import Secagg
from veilbench.federated.message_validator import MessageValidator, RoundPolicy
from veilbench.federated.round_state import RoundState

SEEDS, WEIGHTS = np.random.SeedSequence(0), [1 / 3] * 3
SAME = np.array([0.5, -0.25, 0.0, 1.0])
NEEDED = {"ckks": "tenseal", "paillier": "phe", "secagg": "flwr"}
ALL: dict[str, Aggregation] = {
    "plain": Plain(),
    "median": Robust("median"),
    "trimmed_mean": Robust("trimmed_mean"),
    "krum": Robust("krum"),
    "central_dp": CentralDp(),
    "equal_dp": EqualDp(),
    "client_local_dp": ClientLocalDp(),
    "example_dp": ExampleDp(),
    "ckks": Ckks(),
    "paillier": Paillier(),
    "secagg": Secagg(),
    "faulty": Faulty(Plain(), []),
}


def begun(name: str, seen: Sequence[str] = ()) -> tuple[list[Client], MessageValidator]:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    clients, aggregator = ALL[name].setup(3, SEEDS)
    aggregator.begin(range(3))
    return clients, MessageValidator(aggregator, RoundPolicy(), len(SAME), WEIGHTS, set(seen))


@pytest.mark.parametrize("name", ALL)
def test_equal_updates_of_honest_clients_all_count(name: str) -> None:
    """As a fresh Adam's first steps are: of the same length in every client and every round."""
    clients, validator = begun(name)
    for number in range(2):
        if number:
            validator.aggregator.begin(range(3))
        messages = [client.protect(SAME, 1 / 3, number) for client in clients]
        taken = [validator.validate(who, number, made, 0.0) for who, made in enumerate(messages)]
        assert taken == messages
        mean = clients[0].open(validator.aggregator.combine(taken, range(3)))
        if name not in ("central_dp", "equal_dp", "client_local_dp"):  # which add noise
            np.testing.assert_allclose(mean, SAME, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_message_counts_once_whoever_sends_it(name: str) -> None:
    clients, validator = begun(name)
    sent = clients[0].protect(SAME, 1 / 3, 0)
    validator.validate(0, 0, sent, 0.0)
    for who in range(3):
        with pytest.raises(UserError, match="this message has been sent before"):
            validator.validate(who, 0, sent, 0.0)
    with pytest.raises(UserError, match=r"its update is of round 1$"):
        validator.validate(0, 1, sent, 0.0)
    validator.validate(1, 0, clients[1].protect(SAME, 1 / 3, 0), 0.0)


@pytest.mark.parametrize("name", ALL)
def test_a_server_that_goes_on_from_its_state_knows_what_was_sent_before(name: str, tmp_path: Path) -> None:
    clients, validator = begun(name)
    sent = clients[0].protect(SAME, 1 / 3, 0)
    validator.validate(0, 0, sent, 0.0)
    RoundState("f", 1, 1, [SAME], [{"loss": 1.0}], [], sorted(validator.seen)).save(tmp_path / "state")
    state = RoundState.load(tmp_path / "state", "f")
    assert state is not None
    _, resumed = begun(name, state.seen)
    with pytest.raises(UserError, match=r"its update is of round 1$"):
        resumed.validate(0, state.rounds, sent, 0.0)
    with pytest.raises(UserError, match="this message has been sent before"):
        resumed.validate(0, 0, sent, 0.0)


def test_a_message_of_a_round_to_come_does_not_count() -> None:
    clients, validator = begun("plain")
    with pytest.raises(UserError, match=r"its update is of round 3$"):
        validator.validate(0, 0, clients[0].protect(SAME, 1 / 3, 2), 0.0)


def test_a_message_names_its_round_and_has_a_nonce_of_its_own() -> None:
    client = begun("plain")[0][0]
    one, two = client.protect(SAME, 1.0, 5), client.protect(SAME, 1.0, 5)
    assert parse_stamp(one)[0] == parse_stamp(two)[0] == 5
    assert parse_stamp(one)[1] != parse_stamp(two)[1]
    assert parse_message(one) == parse_message(two)


def test_a_client_that_replays_is_told_from_one_that_repeats_itself() -> None:
    clients, aggregator = Faulty(Plain(), [Fault(1, "replays", turn=1)]).setup(2, SEEDS)
    validator = MessageValidator(aggregator, RoundPolicy(), len(SAME), [0.5, 0.5])
    for who, client in enumerate(clients):
        validator.validate(who, 0, client.protect(SAME, 0.5, 0), 0.0)
    validator.validate(0, 1, clients[0].protect(SAME, 0.5, 1), 0.0)
    with pytest.raises(UserError, match=r"its update is of round 1$"):
        validator.validate(1, 1, clients[1].protect(SAME, 0.5, 1), 0.0)
