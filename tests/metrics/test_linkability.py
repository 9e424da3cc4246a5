"""D_sys and maximal linkability on distributions whose true values come from numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.linkability import Linkability, chance, linkability, local_measure


def truth(apart: float, odds: float = 1.0) -> tuple[float, float]:
    """Integrate D_sys and maximal linkability of two normal distributions of variance 1 with means `apart`."""

    def density(s: float) -> float:
        ratio = odds * norm.pdf(s, apart) / norm.pdf(s)
        return float(norm.pdf(s, apart) * max(0.0, (ratio - 1) / (ratio + 1)))

    ends = (-8, apart + 8)
    system = quad(density, *ends, limit=500)[0]
    variation = quad(lambda s: abs(norm.pdf(s, apart) - norm.pdf(s)) / 2, *ends, limit=500)[0]
    return system, float(np.log2(1 + variation))


def sample(apart: float, people: int, seed: int) -> Comparisons:
    """Draw one mated score per person, and one with the next person."""
    rng = np.random.default_rng(seed)
    who = np.arange(people)
    scores = np.r_[rng.normal(apart, 1, people), rng.normal(0, 1, people)]
    return Comparisons(scores, np.r_[who, who], np.r_[who, (who + 1) % people])


def measured(apart: float, people: int = 500, odds: float = 1.0, seeds: int = 8) -> list[Linkability]:
    return [linkability(sample(apart, people, s), np.random.default_rng(s), odds, 100) for s in range(seeds)]


def test_identical_laws_are_not_linkable() -> None:
    found = measured(0)
    assert all(one.system.low == 0 for one in found)
    assert all(one.maximal.low == 0 for one in found)
    assert np.mean([one.system.value for one in found]) < 0.02
    assert np.mean([one.plug_in for one in found]) > 0.05  # the plug-in estimate is biased upwards


def test_separated_laws_are_fully_linkable() -> None:
    for one in measured(100):
        assert one.system.value == pytest.approx(1, abs=1e-3)
        assert one.system.high == pytest.approx(1, abs=1e-6)
        assert one.maximal.value == 1


@pytest.mark.parametrize("odds", [1.0, 0.5])
@pytest.mark.parametrize("apart", [1.0, 2.0, 3.0])
def test_the_truth_lies_in_the_interval_and_below_the_histogram(apart: float, odds: float) -> None:
    system, maximal = truth(apart, odds)
    found = measured(apart, 1000, odds)
    assert np.mean([one.system.value for one in found]) == pytest.approx(system, abs=0.03)
    assert sum(one.system.low <= system <= one.system.high for one in found) >= 6
    assert np.mean([one.maximal.value for one in found]) == pytest.approx(maximal, abs=0.03)
    assert sum(one.maximal.low <= maximal <= one.maximal.high for one in found) >= 6


def test_the_estimate_comes_nearer_with_more_people() -> None:
    errors = [abs(np.mean([one.system.value for one in measured(1, n, seeds=12)]) - truth(1)[0]) for n in (100, 4000)]
    assert errors[1] < 0.01
    assert errors[1] < errors[0]


def test_the_local_measure_is_the_papers_formula() -> None:
    for ratio, odds in [(0.5, 1.0), (1.0, 1.0), (3.0, 1.0), (3.0, 0.25), (9.0, 0.5)]:
        eta = odds * ratio / (1 + odds * ratio)
        paper = 2 * odds * ratio / (1 + odds * ratio) - 1 if odds * ratio > 1 else 0
        assert local_measure(np.array(eta)) == pytest.approx(paper)
    mated, others = np.array([10.0, 30.0]) * 1e6, np.array([30.0, 10.0]) * 1e6
    assert chance(mated, others) == pytest.approx([0.25, 0.75], abs=1e-6)
    assert chance(mated, others, 0.5)[1] == pytest.approx(1.5 / 2.5, abs=1e-6)


def test_a_score_that_is_the_same_for_all_links_nobody() -> None:
    who = np.arange(50)
    found = linkability(
        Comparisons(np.zeros(100), np.r_[who, who], np.r_[who, (who + 1) % 50]), np.random.default_rng(0)
    )
    assert found.system.value == 0
    assert found.plug_in == 0


def test_scores_of_few_levels_and_many_strangers() -> None:
    """All pairs of 60 people with integer distances, as of a binary code; the true value is a sum over the levels."""
    rng = np.random.default_rng(5)
    scores = rng.binomial(8, 0.5, (60, 60)) + rng.binomial(2, 0.5, (60, 60)) * np.eye(60, dtype=int)
    from scipy.stats import binom

    levels = np.arange(11)
    others, mated = binom.pmf(levels, 8, 0.5), binom.pmf(levels, 10, 0.5)
    system = float((mated * np.maximum(0, (mated - others) / (mated + others))).sum())
    found = linkability(Comparisons.of_all(scores.astype(float), np.arange(60), np.arange(60)), rng)
    assert found.system.low <= system <= found.system.high


def test_too_few_people_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 identities, got 4"):
        linkability(sample(1, 4, 0), np.random.default_rng(0))
