"""D_sys and maximal linkability on distributions whose true values come from numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.linkability import CrossFit, Linkability, bins_for, chance, edges_of, linkability, local_measure


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


def test_each_bin_begins_with_half_a_pair_of_each_kind() -> None:
    found = chance(np.array([0.0, 3.0, 6.0]), np.array([1.0, 1.0, 0.0]), 0.5)
    mated, others = np.array([0.5, 3.5, 6.5]) / 10.5, np.array([1.5, 1.5, 0.5]) / 3.5
    np.testing.assert_allclose(found, 0.5 * mated / (0.5 * mated + others))
    empty = chance(np.zeros((2, 4)), np.zeros((2, 4)))
    np.testing.assert_array_equal(empty, np.full((2, 4), 0.5))


@pytest.mark.parametrize(("mated", "bins"), [(0, 2), (1, 2), (8, 4), (1000, 20), (8000, 40)])
def test_the_number_of_bins_is_twice_the_cube_root(mated: int, bins: int) -> None:
    assert bins_for(mated) == bins


def test_the_edges_cut_the_scores_into_equal_shares_of_each_kind_together() -> None:
    """Four mated scores weigh as much as eight others: each bin of four holds a quarter of the weight."""
    scores = np.r_[np.arange(4) + 100.0, np.arange(8.0)]
    who = np.arange(12)
    some = Comparisons(scores, who, np.where(who < 4, who, who + 1))
    assert edges_of(some, 4).tolist() == [3, 7, 101]
    assert edges_of(some, 1).tolist() == []
    same = Comparisons(np.array([1.0, 1.0, 1.0, 2.0]), np.array([0, 1, 2, 3]), np.array([0, 2, 3, 3]))
    assert edges_of(same, 3).tolist() == [1]  # the highest score is no inner edge


def test_the_histogram_has_a_centre_and_a_measure_for_each_bin() -> None:
    some = sample(2, 200, 3)
    found = linkability(some, np.random.default_rng(0), odds=0.5, repeats=5)
    edges = np.r_[some.scores.min(), edges_of(some, bins_for(200)), some.scores.max()]
    np.testing.assert_allclose(found.scores, [np.mean(edges[place : place + 2]) for place in range(len(edges) - 1)])
    counts = [[((low < s) & (s <= high)).sum() for low, high in zip([-np.inf, *edges[1:-1]], edges[1:], strict=True)]
              for s in (some.scores[some.mated], some.scores[~some.mated])]  # fmt: skip
    mated, others = ((np.array(kind) + 0.5) / (sum(kind) + 0.5 * len(kind)) for kind in counts)
    local = np.maximum(0, (0.5 * mated / others - 1) / (0.5 * mated / others + 1))  # the paper's formula
    np.testing.assert_allclose(found.local, local)
    assert found.plug_in == pytest.approx(np.average(local, weights=counts[0]))


def test_five_people_are_enough() -> None:
    found = linkability(sample(50, 5, 0), np.random.default_rng(0), repeats=20)
    assert (found.system.n, found.maximal.n) == (5, 5)
    assert 0 < found.system.value <= 1


def by_the_formula(places: np.ndarray, mated: np.ndarray, folds: list[np.ndarray], odds: float) -> tuple[float, float]:
    """The estimator as it is described, score by score, with the delta method by finite differences."""
    first, second = folds
    bins = places.max() + 1
    system = variation = 0.0
    for fold in np.unique(first):
        others = (first != fold) & (second != fold)
        m, n = (np.bincount(places[others & kind], minlength=bins) + 0.5 for kind in (mated, ~mated))

        def eta(mm: float, nn: float, w: float, totals: tuple[float, float] = (m.sum(), n.sum())) -> float:
            return w * mm / totals[0] / (w * mm / totals[0] + nn / totals[1])

        for place, kind in zip(places[first == fold], mated[first == fold], strict=True):
            a, b, e = m[place], n[place], eta(m[place], n[place], odds)
            slopes = (eta(a + 1e-5, b, odds) - e) / 1e-5, (eta(a, b + 1e-5, odds) - e) / 1e-5
            variance = slopes[0] ** 2 * a + slopes[1] ** 2 * b
            if e > 0.5 + 1e-9:
                if kind:
                    system += (4 * e - 1 - 2 * e**2 + 2 * variance) / mated.sum()
                else:
                    system -= (2 * e**2 - 2 * variance) / odds / (~mated).sum()
            if eta(a, b, 1.0) > 0.5 + 1e-9:
                variation += 1 / mated.sum() if kind else -1 / (~mated).sum()
    return system, float(np.log2(1 + variation))


@pytest.mark.parametrize("odds", [1.0, 0.5, 2.0])
def test_the_estimate_is_the_formula_s_with_its_correction(odds: float) -> None:
    rng = np.random.default_rng(6)
    first, second = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    mated = rng.random(300) < 0.4
    places = np.minimum(rng.poisson(1 + mated), 4)
    found = CrossFit(places, mated, first, second, 5, odds).measures(np.ones(300))
    assert found == pytest.approx(by_the_formula(places, mated, [first, second], odds), rel=1e-4)
    twice = CrossFit(np.tile(places, 2), np.tile(mated, 2), np.tile(first, 2), np.tile(second, 2), 5, odds)
    halves = twice.measures(np.repeat([1.0, 0.0], 300))
    assert halves == pytest.approx(found), "a weight of zero leaves a score out"
