"""Error rates against scikit-learn and closed forms; coverage of intervals; refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_curve

from veilbench.metrics.biometric import (
    Comparisons,
    at_fmr,
    bootstrap,
    cmc,
    equal_error_rate,
    error_rates,
    over_identities,
    ranks,
    refusal,
)

RNG = np.random.default_rng(0)
MATED = np.arange(3000) < 1000


def of_normal_laws(apart: float, people: int, each: int, seed: int) -> Comparisons:
    """Compare all pairs of templates: scores are around `apart` for the same person, and around 0 for others."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    scores = rng.normal(0, 1, (len(who), people)) + apart * (who[:, None] == np.arange(people))
    return Comparisons.of_all(scores, who, np.arange(people))


@pytest.mark.parametrize("step", [0.0, 0.5], ids=["distinct", "tied"])
def test_error_rates_are_scikit_learns(step: float) -> None:
    scores = RNG.normal(0, 1, 3000) + MATED
    scores = np.round(scores / step) * step if step else scores
    rates = error_rates(scores, MATED)
    accepted, found, thresholds = roc_curve(MATED, scores, drop_intermediate=False)
    assert rates.thresholds[::-1] == pytest.approx(thresholds)
    assert rates.fmr[::-1] == pytest.approx(accepted)
    assert 1 - rates.fnmr[::-1] == pytest.approx(found)


def test_weights_count_as_repeats() -> None:
    scores, times = RNG.normal(0, 1, 200), RNG.integers(0, 4, 200)
    mated = RNG.random(200) < 0.4
    once = error_rates(scores, mated, times)
    repeated = error_rates(np.repeat(scores, times), np.repeat(mated, times))
    shared = np.isin(once.thresholds, repeated.thresholds)
    assert once.fmr[shared] == pytest.approx(repeated.fmr)
    assert once.fnmr[shared] == pytest.approx(repeated.fnmr)
    assert equal_error_rate(once) == pytest.approx(equal_error_rate(repeated), abs=0.02)


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0, 4.0])
def test_the_equal_error_rate_of_normal_laws(apart: float) -> None:
    scores = np.r_[norm.ppf((np.arange(5000) + 0.5) / 5000) + apart, norm.ppf((np.arange(5000) + 0.5) / 5000)]
    rates = error_rates(scores, np.arange(10_000) < 5000)
    assert equal_error_rate(rates) == pytest.approx(norm.cdf(-apart / 2), abs=5e-4)


@pytest.mark.parametrize(
    ("scores", "truth"), [([1, 1, 0, 0], 0), ([0, 0, 1, 1], 1), ([5, 5, 5, 5], 0.5), ([1, 0, 1, 0], 0.5)]
)
def test_the_equal_error_rate_at_its_ends(scores: list[float], truth: float) -> None:
    assert equal_error_rate(error_rates(np.array(scores, float), np.array([True, True, False, False]))) == truth


def test_the_true_match_rate_at_a_false_match_rate_counts_by_hand() -> None:
    impostors = np.arange(1000) / 1000.0
    genuine = np.array([0.9895, 0.9905, 2.0, 0.5])
    rates = error_rates(np.r_[genuine, impostors], np.arange(1004) < 4)
    point = at_fmr(rates, 0.01)  # ten impostors may pass: 0.990 to 0.999, and so may the genuine 0.9895 below them
    assert (point.tmr, point.threshold) == (0.75, 0.9895)
    assert (impostors >= 0.9895).sum() == 10
    assert at_fmr(rates, 0.0099).tmr == 0.5
    assert at_fmr(rates, 0.0).threshold == 2.0


def test_what_too_few_impostors_cannot_resolve_is_refused() -> None:
    some = of_normal_laws(2, people=20, each=3, seed=1)  # 20 * 3 * 19 = 1,140 impostor comparisons
    assert refusal(1140, 0.01) == ""
    assert at_fmr(error_rates(some.scores, some.mated), 0.01).tmr == pytest.approx(norm.sf(norm.isf(0.01) - 2), abs=0.2)
    assert refusal(1140, 0.001) == "FMR 0.001 needs 10,000 comparisons of two identities for 10 errors; 1,140 made"


def test_exactly_as_many_impostors_as_are_needed_are_enough() -> None:
    assert refusal(1000, 0.01) == ""
    assert refusal(999, 0.01).startswith("FMR 0.01 needs 1,000 comparisons")


def test_ranks_are_those_of_a_plain_loop() -> None:
    similarities = np.round(RNG.normal(0, 1, (40, 30)), 1)
    probes, enrolled = RNG.integers(0, 10, 40), np.arange(30) % 10
    found = ranks(similarities, probes, enrolled)
    for row, who, rank in zip(similarities, probes, found, strict=True):
        best = [max(row[enrolled == person]) for person in range(10)]
        assert rank == sum(score >= best[who] for score in best)
    curve = cmc(found, 10)
    assert curve[0] == (found == 1).mean()
    assert curve[-1] == 1
    assert (np.diff(curve) >= 0).all()


def test_a_constant_score_ranks_last_and_unknown_people_are_refused() -> None:
    assert (ranks(np.zeros((3, 4)), np.arange(3), np.arange(4)) == 4).all()
    with pytest.raises(ValueError, match="identity 7 is among the probes, but not enrolled"):
        ranks(np.zeros((1, 2)), np.array([7]), np.arange(2))


def statistics(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
    return [equal_error_rate(error_rates(scores, mated, weights))]


def test_the_interval_of_the_equal_error_rate_holds_the_truth() -> None:
    truth = float(norm.cdf(-1))
    hits = 0
    for seed in range(20):
        (metric,) = bootstrap(of_normal_laws(2, 30, 4, seed), statistics, np.random.default_rng(seed), 100)
        assert metric.n == 30
        hits += metric.low <= truth <= metric.high
    assert hits >= 17


def test_a_pair_counts_as_often_as_both_of_its_people_were_drawn() -> None:
    """Each person is compared once with itself, so this weight is how often the person was drawn."""
    first, second = (places.ravel() for places in np.meshgrid(np.arange(6), np.arange(6), indexing="ij"))
    drawn: list[np.ndarray] = []

    def watched(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
        drawn.append(weights[np.argsort(scores)].reshape(6, 6))
        return [0.5]

    bootstrap(Comparisons(np.arange(36.0), first, second), watched, np.random.default_rng(0), 50)
    assert (drawn[0] == 1).all()  # the estimate itself
    for weights in drawn[1:]:
        times = weights.diagonal()
        assert times.sum() == 6
        between = ~np.eye(6, dtype=bool)
        np.testing.assert_array_equal(weights[between], np.outer(times, times)[between])
    assert max(weights.max() for weights in drawn) > 3


def test_intervals_are_over_identities_and_not_over_comparisons() -> None:
    """Every person's ten probes are hit or missed together: ten times the rows must not narrow the interval."""
    hit = RNG.random(50) < 0.6
    few = over_identities(hit.astype(float), np.arange(50), np.random.default_rng(1))
    many = over_identities(np.repeat(hit, 10).astype(float), np.repeat(np.arange(50), 10), np.random.default_rng(1))
    assert (few.low, few.high, few.n) == (many.low, many.high, many.n)
    width = 2 * 1.96 * np.sqrt(hit.mean() * (1 - hit.mean()) / 50)
    assert few.high - few.low == pytest.approx(width, rel=0.15)


def test_people_who_are_all_alike_still_have_an_interval() -> None:
    sure = over_identities(np.ones(40), np.repeat(np.arange(10), 4), RNG)
    assert (sure.value, sure.high) == (1, 1)
    assert sure.low == pytest.approx(0.025 ** (1 / 10))  # Clopper-Pearson, 10 of 10


@pytest.mark.parametrize(
    ("scores", "first", "second", "said"),
    [
        ([1.0, 2.0], [0, 1], [0], "scores for identities"),
        ([1.0, np.nan], [0, 1], [0, 0], "not finite"),
        ([1.0, 2.0], [0, 1], [0, 1], "both of one identity and of two"),
        ([1.0, 2.0], [0, 1], [1, 0], "both of one identity and of two"),
        ([], [], [], "both of one identity and of two"),
    ],
)
def test_comparisons_that_say_nothing_are_refused(
    scores: list[float], first: list[int], second: list[int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Comparisons(np.array(scores), np.array(first), np.array(second))


def test_a_sample_without_a_kind_of_comparison_is_not_judged() -> None:
    """Only the first of three people is compared with itself: many samples lack it, and some have nobody else."""
    seen: list[tuple[float, float]] = []

    def watched(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
        seen.append((weights[mated].sum(), weights[~mated].sum()))
        return [0.5]

    some = Comparisons(np.array([1.0, 0.0, 0.5]), np.array([0, 1, 0]), np.array([0, 2, 1]))
    bootstrap(some, watched, np.random.default_rng(0), 100)
    assert 20 < len(seen) < 101
    assert min(min(sums) for sums in seen) > 0


def test_people_who_all_fail_have_the_mirrored_interval() -> None:
    never = over_identities(np.zeros(40), np.repeat(np.arange(10), 4), RNG)
    assert (never.low, never.value) == (0, 0)
    assert never.high == pytest.approx(1 - 0.025 ** (1 / 10))  # Clopper-Pearson, none of 10
