"""An aggregator that deviates from the protocol, with one colluding client: what it reads, and what stops it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from tests.federated.aggregations.deviating_aggregator import DeviatingAggregator, plan_lists

from veilbench.federated.aggregations.secagg import Secagg
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator
from veilbench.federated.aggregations.secagg_bound import Assumptions
from veilbench.federated.aggregations.secagg_client import SecaggClient

pytest.importorskip("flwr")

SIZE = 300


class Round:
    """A round in which every client has sent a masked update, and the aggregator deviates from then on."""

    def __init__(self, clients: int, **settings: Any) -> None:
        self.parties, aggregator = Secagg(**settings).setup(clients, np.random.SeedSequence(0))
        assert isinstance(aggregator, SecaggAggregator)
        self.honest = aggregator
        self.honest.begin(range(clients))
        self.updates = np.random.default_rng(0).normal(0, 1, (clients, SIZE))
        self.messages = [party.protect(update, 0.5) for party, update in zip(self.parties, self.updates, strict=True)]

    def attack(self, colluder: int) -> DeviatingAggregator:
        party = self.parties[colluder]
        assert isinstance(party, SecaggClient)
        return DeviatingAggregator(self.honest, party)

    def reads(self, found: np.ndarray | None) -> bool:
        """Whether client 0's update was found, up to the quantisation."""
        return found is not None and float(np.abs(found - 0.5 * self.updates[0]).max()) < 1e-6


RING = {"neighbours": 30, "threshold": 0.58}


@pytest.mark.parametrize("consistency", [False, True])
def test_different_lists_of_survivors_read_an_update_unless_the_clients_compare_them(consistency: bool) -> None:
    """The settings meet the bound of the active aggregator with one corrupt client: only the round is missing."""
    assumed = Assumptions("active", corrupt=0.01, dropped=0)
    assert assumed.bound_leak(64, 31, 18) == 0
    played = Round(64, consistency=consistency, **RING)
    colluder = min(played.honest.near[0] - {0})
    attack = played.attack(colluder)
    found = attack.read(0, played.messages[0], plan_lists(played.honest, 0, colluder))
    assert played.reads(found) is not consistency
    assert len(attack.refused) == (63 if consistency else 0)
    assert all("signed its list of survivors, and 18 are needed" in reason for reason in attack.refused)


@pytest.mark.parametrize(("settings", "read"), [({"threshold": 0.6}, True), ({"adversary": "active"}, False)], ids=str)
def test_one_colluding_client_of_three_reads_an_update_unless_the_threshold_is_three(
    settings: dict[str, Any], read: bool
) -> None:
    """No list differs: client 1 is said to have dropped out, and a sum of two is a client's own and the other's."""
    played = Round(3, **settings)
    attack = played.attack(2)
    assert played.reads(attack.read(0, played.messages[0], {0: {0, 2}})) is read
    assert read or "refuses to unmask 2 of 3" in attack.refused[-1]


@pytest.mark.parametrize(("settings", "read"), [({"threshold": 0.6}, True), ({"adversary": "active"}, False)], ids=str)
def test_a_colluding_client_that_signs_two_lists_reads_an_update_unless_the_threshold_is_two_thirds(
    settings: dict[str, Any], read: bool
) -> None:
    played = Round(5, **settings)
    lists = {0: {0, 1, 4}, 1: {0, 1, 4}, 2: {2, 3, 4}, 3: {2, 3, 4}}
    assert played.reads(played.attack(4).read(0, played.messages[0], lists)) is read


@pytest.mark.parametrize(("clients", "corrupt"), [(n, c) for n, c in product(range(2, 12), range(4)) if c < n])
def test_two_lists_find_enough_signatures_exactly_if_the_threshold_is_below_the_bound(
    clients: int, corrupt: int
) -> None:
    """All divisions of the honest clients among two lists; corrupt clients sign both."""
    honest = clients - corrupt
    for threshold in range(2, clients + 1):
        both = any(min(one, honest - one) + corrupt >= threshold for one in range(1, honest))
        single = threshold - corrupt < 2  # a sum with one honest term
        safe = Assumptions("active", corrupt / clients, 0).bound_leak(clients, clients, threshold) == 0
        assert safe is not (both or single)
