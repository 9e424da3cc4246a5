"""Metrics with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from veilbench.findings import Metric


def proportion(successes: int, n: int, confidence: float = 0.95) -> Metric:
    """A share of independent trials with its Clopper-Pearson interval (Clopper and Pearson 1934).

    Raises:
        ValueError: no trials.
    """
    if n <= 0:
        raise ValueError(f"a proportion needs at least one trial, got n={n}")
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(confidence, "exact")
    value = successes / n
    label = f"Clopper-Pearson {confidence:.0%}".replace("%", " %")
    return Metric(value, min(interval.low, value), max(interval.high, value), int(n), label, "share")


def mean(values: Sequence[float], confidence: float = 0.95, unit: str = "share") -> Metric:
    """The mean of independent runs (texts, seeds) with Student's t interval over them.

    Raises:
        ValueError: fewer than two runs.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        raise ValueError(f"an interval over runs needs at least 2 runs, got {len(x)}")
    half = float(stats.t.ppf((1 + confidence) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    centre = float(x.mean())
    label = f"Student t over {len(x)} runs, {confidence:.0%}".replace("%", " %")
    return Metric(centre, centre - half, centre + half, len(x), label, unit)


def above_chance(measured: Metric, chance: float) -> Metric:
    """`measured` on a scale where chance is 0 and everything is 1.

    Raises:
        ValueError: chance is not in [0, 1).
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be in [0, 1), got {chance}")
    value, low, high = ((x - chance) / (1 - chance) for x in (measured.value, measured.low, measured.high))
    return Metric(value, low, high, measured.n, measured.interval)
