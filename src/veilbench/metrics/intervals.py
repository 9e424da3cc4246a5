"""Metrics with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import bdtr, betaincinv, stdtrit  # scipy.stats takes a second to import, in every stage

from veilbench.bench.findings import Metric


def proportion(successes: int, n: int, confidence: float = 0.95) -> Metric:
    """Return a share of independent trials with its Clopper-Pearson interval (Clopper and Pearson 1934).

    Raises:
        ValueError: there are no trials, or more successes than trials.
    """
    if n <= 0:
        raise ValueError(f"a proportion needs at least one trial, got n={n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes} must be between 0 and n={n}")
    tail, value = (1 - confidence) / 2, successes / n
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    label = f"Clopper-Pearson {100 * confidence:g} %"
    return Metric(value, min(low, value), max(high, value), int(n), label, "share")


def mean(
    values: Sequence[float] | np.ndarray, confidence: float = 0.95, unit: str = "share", of: str = "runs"
) -> Metric:
    """Return the mean of independent runs (texts, seeds) with Student's t interval, clipped to [0, 1] for shares.

    Args:
        values: one value per run.
        confidence: confidence level of the interval, in (0, 1).
        unit: unit of the value: "share" for a fraction, "" for a plain number.
        of: plural noun for the runs, used in the label.

    Raises:
        ValueError: there are fewer than two runs.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        raise ValueError(f"an interval over {of} needs at least 2 {of}, got {len(x)}")
    half = float(stdtrit(len(x) - 1, (1 + confidence) / 2) * x.std(ddof=1) / np.sqrt(len(x)))
    centre = float(x.mean())
    label = f"Student t over {len(x)} {of}, {100 * confidence:g} %"
    whole = (centre - half, centre + half)
    low, high = np.clip(whole, 0, 1) if unit == "share" else whole  # values outside are impossible
    return Metric(centre, min(float(low), centre), max(float(high), centre), len(x), label, unit)


def bounded_mean(
    values: Sequence[float] | np.ndarray, confidence: float = 0.95, of: str = "runs", draws: int = 20_000
) -> Metric:
    """Return the mean of independent shares with an interval that needs nothing but their range, [0, 1].

    The interval of Gaffke (2005): each end is a quantile of weighted means of the shares and one more value, 1 for the
    upper end and 0 for the lower, with weights drawn from the flat Dirichlet distribution. For shares that are all 0 or
    1 it is Clopper and Pearson's. Unlike Student's t, it does not take three equal texts for certainty: the next text
    may be read. That it covers for every distribution is shown by simulation (tests/bench/test_rule.py), not proven.

    Args:
        values: one share for each independent run (text, victim), in [0, 1].
        confidence: confidence level of the interval, in (0, 1).
        of: plural noun for the runs, used in the label.
        draws: number of weightings; their seed is fixed.

    Raises:
        ValueError: there are no values, or one is outside [0, 1].
    """
    x = np.asarray(values, dtype=float)
    if not len(x):
        raise ValueError(f"an interval over {of} needs at least one of them")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"shares must be in [0, 1], got {x.min():g} to {x.max():g}")
    if np.isin(x, (0, 1)).all():
        return proportion(int(x.sum()), len(x), confidence)
    unique, counts = np.unique(x, return_counts=True)
    rng, tail = np.random.default_rng(0), (1 - confidence) / 2
    weights = rng.standard_gamma(counts, (draws, len(unique)))  # a value that occurs k times has k weights
    extra = rng.standard_exponential(draws)
    sums, totals, centre = weights @ unique, weights.sum(1) + extra, float(x.mean())
    low = float(np.quantile(sums / totals, tail))
    high = float(np.quantile((sums + extra) / totals, 1 - tail))
    label = f"Gaffke over {len(x)} {of}, {100 * confidence:g} %"
    return Metric(centre, min(low, centre), max(high, centre), len(x), label, "share")


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    strata: np.ndarray,
    rng: np.random.Generator,
    repeats: int = 500,
    confidence: float = 0.95,
    unit: str = "",
) -> Metric:
    """Compute a statistic with the percentile interval of a bootstrap over rows, resampled within each stratum.

    If the statistic is at the end of its range in the sample, such as an AUROC of 1, it is so in every resample: the
    interval then has no width, and does not describe other samples.

    Args:
        statistic: function of how often each row is in the sample, shape (n,); all ones is the sample itself.
        strata: stratum of each row, shape (n,).
        rng: source of the bootstrap samples.
        repeats: number of bootstrap samples.
        confidence: confidence level of the interval, in (0, 1).
        unit: unit of the value: "share" for a fraction, "" for a plain number.
    """
    places = [np.flatnonzero(strata == value) for value in np.unique(strata)]
    counts, values = np.ones(len(strata), np.int64), []
    value = statistic(counts)
    for _ in range(repeats):
        for rows in places:
            counts[rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
        values.append(statistic(counts))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    label = f"bootstrap of {repeats:,}, {100 * confidence:g} %"
    return Metric(value, min(float(low), value), max(float(high), value), len(strata), label, unit)


def median(values: np.ndarray, confidence: float = 0.95, unit: str = "") -> Metric:
    """Return the median with a distribution-free interval between two of the values.

    The number of values below the distribution's median is binomial. If there are too few values for the confidence
    level, the interval spans all of them.

    Args:
        values: independent values, shape (n,).
        confidence: confidence level of the interval, in (0, 1).
        unit: unit of the value: "share" for a fraction, "" for a plain number.

    Raises:
        ValueError: there are no values.
    """
    if not len(values):
        raise ValueError("a median needs at least one value, got 0")
    ordered, n = np.sort(values), len(values)
    rank = int((bdtr(np.arange(n // 2 + 1), n, 0.5) <= (1 - confidence) / 2).sum())  # P(fewer than `rank` below)
    low = max(rank - 1, 0)
    label = f"order statistics, {100 * confidence:g} %"
    return Metric(float(np.median(ordered)), float(ordered[low]), float(ordered[n - 1 - low]), n, label, unit)


def above_chance(measured: Metric, chance: float) -> Metric:
    """Rescale `measured` such that chance is 0 and the maximum is 1.

    Raises:
        ValueError: `chance` is not in [0, 1).
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be in [0, 1), got {chance}")
    value, low, high = ((x - chance) / (1 - chance) for x in (measured.value, measured.low, measured.high))
    return Metric(value, low, high, measured.n, measured.interval)


def ends(metrics: Sequence[Metric]) -> tuple[list[float], list[float], list[float]]:
    """Return values, lower ends and upper ends of metrics, as a `Curve` takes them."""
    return [m.value for m in metrics], [m.low for m in metrics], [m.high for m in metrics]


def paired_gain(with_it: np.ndarray, without: np.ndarray, confidence: float = 0.95) -> Metric:
    """Return the difference of two success rates on the same cases, with and without some help.

    Cases gained and cases lost have a Clopper-Pearson interval each, and the two hold jointly (Bonferroni).

    Args:
        with_it: whether each case succeeds with the help, shape (n,), bool.
        without: whether each case succeeds without it, shape (n,), bool.
        confidence: confidence level of the interval, in (0, 1).
    """
    each, n = 1 - (1 - confidence) / 2, len(with_it)
    won, lost = (proportion(int(x.sum()), n, each) for x in (with_it & ~without, without & ~with_it))
    label = f"Clopper-Pearson on both shares, {100 * confidence:g} %"
    return Metric(won.value - lost.value, won.low - lost.high, won.high - lost.low, n, label)
