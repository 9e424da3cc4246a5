"""Neighbours and thresholds of secure aggregation: exact tails, and the rings that they speak of."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest

from veilbench.federated.aggregations.secagg import Secagg
from veilbench.federated.aggregations.secagg_aggregator import find_neighbourhoods
from veilbench.federated.aggregations.secagg_bound import Assumptions, bound_gaps, compute_tail

CLIENTS, SIZE = 40, 9
ASSUMED = Assumptions("semi_honest", corrupt=0.2, dropped=0.15)


def tail(least: int, clients: int, marked: int, drawn: int) -> float:
    """The direct sum."""
    ways = (comb(marked, k) * comb(clients - marked, drawn - k) for k in range(max(least, 0), min(marked, drawn) + 1))
    return sum(ways) / comb(clients, drawn)


@pytest.mark.parametrize(("clients", "marked", "drawn"), [(39, 8, 8), (999, 50, 34), (9, 0, 4), (5, 4, 5)])
def test_a_tail_is_the_direct_sum(clients: int, marked: int, drawn: int) -> None:
    for least in range(drawn + 2):
        assert compute_tail(least, clients, marked, drawn) == pytest.approx(tail(least, clients, marked, drawn), 1e-9)


def count_events(corrupt: np.ndarray, dropped: np.ndarray, threshold: int) -> tuple[int, int, int]:
    """Count in one ring the honest clients with too many corrupt neighbours, the starts of gaps, the lost secrets."""
    near = find_neighbourhoods(list(range(CLIENTS)), SIZE - 1)
    leaks = sum(corrupt[sorted(near[who] - {who})].sum() >= threshold for who in range(CLIENTS) if not corrupt[who])
    missing, half = corrupt | dropped, (SIZE - 1) // 2
    gaps = sum(missing[(who + np.arange(half)) % CLIENTS].all() for who in range(CLIENTS))
    lost = sum((~dropped[sorted(near[who])]).sum() < threshold for who in range(CLIENTS))
    return leaks, gaps, lost


def test_the_bounds_are_the_expected_counts_in_drawn_rings_and_above_the_probabilities() -> None:
    rng, threshold = np.random.default_rng(0), ASSUMED.choose_threshold(SIZE)
    counts = []
    for _ in range(3_000):
        kinds = np.zeros(CLIENTS, int)
        kinds[:8], kinds[8:14] = 1, 2
        kinds = rng.permutation(kinds)
        counts.append(count_events(kinds == 1, kinds == 2, threshold))
    means, errors = np.mean(counts, 0), np.std(counts, 0) / np.sqrt(len(counts))
    gaps = bound_gaps(CLIENTS, 14, SIZE)
    wanted = [ASSUMED.bound_leak(CLIENTS, SIZE, threshold) - gaps, gaps]
    wanted.append(ASSUMED.bound_failure(CLIENTS, SIZE, threshold))
    assert (np.abs(means - wanted) < 4 * errors).all()
    assert means.min() > 0.02  # each event was seen
    assert (np.mean(np.array(counts) > 0, 0) <= means).all()


@pytest.mark.parametrize("adversary", ["semi_honest", "active"])
@pytest.mark.parametrize("clients", [40, 200, 1_000])
def test_the_neighbours_chosen_meet_both_bounds_and_two_fewer_do_not(adversary: str, clients: int) -> None:
    assumed = Secagg(adversary=adversary).policy.assumed  # type: ignore[arg-type]
    neighbours = assumed.choose_neighbours(clients)
    assert neighbours is not None

    def meets(size: int) -> bool:
        threshold = assumed.choose_threshold(size)
        return (
            assumed.bound_leak(clients, size, threshold) <= 2**-40
            and assumed.bound_failure(clients, size, threshold) <= 2**-30
        )

    assert meets(neighbours + 1)
    assert not meets(neighbours - 1)


def test_neighbours_grow_slowly_with_the_clients() -> None:
    """Logarithmically, as in Bell et al. 2020."""
    found = [Assumptions().choose_neighbours(clients) or clients - 1 for clients in (3, 40, 200, 1_000, 10_000)]
    assert found == [2, 10, 26, 34, 40]


@pytest.mark.parametrize(("size", "half", "two_thirds"), [(2, 2, 2), (3, 2, 3), (4, 3, 3), (5, 3, 4), (9, 5, 7)])
def test_thresholds_are_those_of_bonawitz(size: int, half: int, two_thirds: int) -> None:
    assert Assumptions("semi_honest").choose_threshold(size) == half
    assert Assumptions("active").choose_threshold(size) == two_thirds


TRUST = [
    ({}, 1_000, "an aggregator that follows the protocol", []),
    ({"adversary": "active"}, 1_000, "may deviate from the protocol once", []),
    (
        {"neighbours": 4},
        100,
        "3 of 5 shares reveal",
        ["bound: a leak has a probability of up to 0.93"],
    ),
    ({"adversary": "active", "threshold": 0.6}, 3, "2 of 3 shares reveal", ["Below the published bound"]),
    ({"adversary": "active"}, 3, "3 of 3 shares reveal", ["If 1 clients drop out, a round fails"]),
    ({"adversary": "active", "consistency": False}, 1_000, "", ["trust is left in the aggregator"]),
]


@pytest.mark.parametrize(("settings", "clients", "said", "missed"), TRUST, ids=[str(case[:2]) for case in TRUST])
def test_the_trust_that_is_left_is_said_and_what_is_below_the_bound(
    settings: dict[str, Any], clients: int, said: str, missed: list[str]
) -> None:
    trust = Secagg(**settings).describe_trust(clients)
    assert said in trust
    assert all(each in trust for each in missed)
    assert missed or ("Below" not in trust and "fails" not in trust)


def test_explicit_settings_win() -> None:
    policy = Secagg(neighbours=4, threshold=0.9).policy
    assert policy.choose_neighbours(1_000) == 4
    assert policy.choose_threshold(5) == 5
    assert Secagg(neighbours="all").policy.choose_neighbours(1_000) is None
