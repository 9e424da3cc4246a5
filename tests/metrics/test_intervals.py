"""Intervals: against scipy's distributions, closed forms, published values, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from veilbench.bench.findings import Metric
from veilbench.metrics.intervals import (
    above_chance,
    bootstrap,
    bounded_mean,
    ends,
    mean,
    median,
    paired_gain,
    proportion,
)


def by_beta_quantiles(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """Compute the Clopper-Pearson interval from quantiles of the beta distribution."""
    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, successes, n - successes + 1) if successes else 0.0
    high = stats.beta.ppf(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return float(low), float(high)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 30), (3, 30), (29, 30), (41, 4096)])
def test_a_proportion_has_the_beta_quantiles(successes: int, n: int, confidence: float) -> None:
    metric = proportion(successes, n, confidence)
    assert (metric.low, metric.high) == pytest.approx(by_beta_quantiles(successes, n, confidence), abs=1e-9)
    assert metric.value == successes / n
    assert metric.n == n


@pytest.mark.parametrize(("successes", "low", "high"), [(0, 0.0, 0.3085), (1, 0.0025, 0.4450), (5, 0.1871, 0.8129)])
def test_a_proportion_of_ten_has_the_published_interval(successes: int, low: float, high: float) -> None:
    metric = proportion(successes, 10)
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=5e-5)


def test_no_success_has_the_closed_form() -> None:
    assert proportion(0, 50).high == pytest.approx(1 - 0.025 ** (1 / 50), abs=1e-12)
    assert proportion(50, 50).low == pytest.approx(0.025 ** (1 / 50), abs=1e-12)


def test_a_proportion_covers_the_truth_as_often_as_it_says() -> None:
    n = 20
    made = [proportion(successes, n) for successes in range(n + 1)]
    coverages = []
    for truth in np.linspace(0.01, 0.99, 99):
        chances = stats.binom.pmf(np.arange(n + 1), n, truth)
        coverages.append(sum(c for c, m in zip(chances, made, strict=True) if m.low <= truth <= m.high))
    assert min(coverages) >= 0.95
    assert np.mean(coverages) < 0.985  # the interval is not too wide


def test_a_proportion_names_its_interval_and_unit() -> None:
    metric = proportion(1, 4, 0.99)
    assert metric.interval == "Clopper-Pearson 99 %"
    assert metric.unit == "share"


@pytest.mark.parametrize("n", [0, -3])
def test_a_proportion_of_nothing_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"at least one trial, got n={n}"):
        proportion(0, n)


@pytest.mark.parametrize("successes", [-1, 5])
def test_an_impossible_count_is_refused(successes: int) -> None:
    with pytest.raises(ValueError, match=r"not finite|successes"):
        proportion(successes, 4)


def test_a_mean_has_students_interval() -> None:
    values = [0.3, 0.9, 0.4, 0.35]
    metric = mean(values, 0.99, unit="")
    wanted = stats.t.interval(0.99, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (metric.low, metric.high) == pytest.approx(wanted)
    assert metric.value == pytest.approx(sum(values) / 4)
    assert metric.n == 4
    assert metric.interval == "Student t over 4 runs, 99 %"


def test_a_mean_of_two_has_the_tabulated_quantile() -> None:
    metric = mean([0.0, 2.0], unit="")
    assert metric.high - metric.value == pytest.approx(12.7062, abs=1e-4)  # t for 1 degree of freedom, times 1


def test_a_mean_of_equal_runs_has_no_width() -> None:
    metric = mean([0.5, 0.5, 0.5])
    assert (metric.low, metric.value, metric.high) == (0.5, 0.5, 0.5)


def test_a_mean_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    made = [mean(rng.normal(3.0, 2.0, 5).tolist(), unit="") for _ in range(2000)]
    coverage = np.mean([m.low <= 3.0 <= m.high for m in made])
    assert coverage == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


def test_the_interval_of_a_share_ends_at_zero_and_one() -> None:
    wide, narrow = mean([0.1, 0.9]), mean([0.5, 0.51])
    assert (wide.low, wide.value, wide.high) == (0.0, 0.5, 1.0)
    assert wide.unit == "share"
    assert narrow.high - narrow.low == pytest.approx(2 * 12.7062 * 0.005, rel=1e-4)


def test_ends_are_columns_for_a_curve() -> None:
    assert ends([Metric(0.5, 0.4, 0.7, 3), Metric(1, 0, 2, 3)]) == ([0.5, 1], [0.4, 0], [0.7, 2])


@pytest.mark.parametrize("values", [[], [0.5]])
def test_a_mean_of_fewer_than_two_runs_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=f"at least 2 runs, got {len(values)}"):
        mean(values)


def test_a_mean_with_a_run_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        mean([0.5, math.nan, 0.5])


def test_above_chance_maps_chance_to_zero_and_everything_to_one() -> None:
    scaled = above_chance(Metric(0.6, 0.2, 1.0, 7, "some interval", "share"), 0.2)
    assert (scaled.low, scaled.value, scaled.high) == pytest.approx((0.0, 0.5, 1.0))
    assert scaled.n == 7
    assert scaled.interval == "some interval"


def test_worse_than_chance_is_below_zero() -> None:
    assert above_chance(Metric.exact(0.0), 0.5).value == -1


@pytest.mark.parametrize("chance", [-0.1, 1.0, 1.5, math.nan])
def test_an_impossible_chance_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match=f"in \\[0, 1\\), got {chance}"):
        above_chance(Metric.exact(0.5), chance)


@pytest.mark.parametrize("n", [6, 7, 40, 185])
def test_a_median_has_the_interval_that_scipys_sign_test_gives(n: int) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    metric = median(values)
    theirs = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert metric.value == np.median(values)
    assert (metric.low, metric.high) == pytest.approx((theirs.low, theirs.high))


def test_too_few_values_for_the_confidence_give_all_of_them_and_none_is_refused() -> None:
    metric = median(np.array([3.0, 1.0, 2.0]))
    assert (metric.low, metric.value, metric.high, metric.n) == (1, 2, 3, 3)
    with pytest.raises(ValueError, match="at least one value"):
        median(np.zeros(0))


def test_a_paired_gain_has_two_intervals_that_hold_together() -> None:
    """Ten cases won and none lost: each end has a closed form, with a quarter of the allowed error."""
    metric = paired_gain(np.ones(10, bool), np.zeros(10, bool))
    end = 0.0125 ** (1 / 10)
    assert (metric.low, metric.value, metric.high) == pytest.approx((end - (1 - end), 1, 1))


def test_a_paired_gain_is_of_the_cases_that_changed() -> None:
    """Only the one case won and the three cases lost count."""
    with_it, without = np.array([1] * 5 + [1] + [0] * 3 + [0], bool), np.array([1] * 5 + [0] + [1] * 3 + [0], bool)
    metric = paired_gain(with_it, without, 0.9)
    (won_low, won_high), (lost_low, lost_high) = (by_beta_quantiles(k, 10, 0.95) for k in (1, 3))
    assert metric.value == pytest.approx(-0.2)
    assert (metric.low, metric.high) == pytest.approx((won_low - lost_high, won_high - lost_low))


@pytest.mark.parametrize("sizes", [(14,), (5, 9), (2, 3, 4)])
def test_a_bootstrap_draws_within_each_stratum(sizes: tuple[int, ...]) -> None:
    strata = np.repeat(np.arange(len(sizes)), sizes)
    drawn: list[np.ndarray] = []

    def watched(counts: np.ndarray) -> float:
        drawn.append(counts.copy())
        return float(counts @ np.arange(len(counts)))

    made = bootstrap(watched, strata, np.random.default_rng(0), 40, 0.9)
    assert (drawn[0] == 1).all()
    assert {tuple(np.bincount(strata, counts).astype(int)) for counts in drawn} == {sizes}
    values = [float(counts @ np.arange(len(counts))) for counts in drawn]
    assert (made.low, made.high) == pytest.approx(np.percentile(values[1:], [5, 95]))
    assert (made.value, made.n, made.interval) == (values[0], sum(sizes), "bootstrap of 40, 90 %")


@pytest.mark.parametrize(("successes", "n"), [(0, 3), (2, 3), (7, 7), (11, 60)])
def test_a_bounded_mean_of_zeros_and_ones_is_a_proportion(successes: int, n: int) -> None:
    values = [1.0] * successes + [0.0] * (n - successes)
    assert bounded_mean(values, 0.99) == proportion(successes, n, 0.99)


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_a_bounded_mean_of_equal_values_has_the_closed_form(n: int) -> None:
    """The weight of the added value is Beta(1, n), so that the rest has the quantile tail ** (1 / n)."""
    metric, rest = bounded_mean([0.3] * n, 0.98, draws=400_000), 0.01 ** (1 / n)
    assert metric.low == pytest.approx(0.3 * rest, abs=4e-3)
    assert metric.high == pytest.approx(1 - 0.7 * rest, abs=4e-3)
    assert metric.value == pytest.approx(0.3)
    assert (metric.n, metric.unit, metric.interval) == (n, "share", f"Gaffke over {n} runs, 98 %")


def test_a_bounded_mean_is_as_wide_as_students_t_where_there_are_many_values() -> None:
    values = np.random.default_rng(0).beta(4, 4, 2_000)
    wide, narrow = bounded_mean(values), mean(values)
    assert (wide.low, wide.high) == pytest.approx((narrow.low, narrow.high), abs=2e-3)


@pytest.mark.parametrize("values", [[], [-0.1, 0.5], [0.5, 1.1], [0.5, math.nan]])
def test_a_bounded_mean_needs_shares(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"at least one|must be in"):
        bounded_mean(values)
