"""Metrics with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, stdtrit  # scipy.stats takes a second to import, in every stage

from veilbench.findings import Metric


def proportion(successes: int, n: int, confidence: float = 0.95) -> Metric:
    """A share of independent trials with its Clopper-Pearson interval (Clopper and Pearson 1934).

    Raises:
        ValueError: no trials.
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


def mean(values: Sequence[float], confidence: float = 0.95, unit: str = "share") -> Metric:
    """The mean of independent runs (texts, seeds) with Student's t interval over them; that of a share ends at 0 and 1.

    Raises:
        ValueError: fewer than two runs.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        raise ValueError(f"an interval over runs needs at least 2 runs, got {len(x)}")
    half = float(stdtrit(len(x) - 1, (1 + confidence) / 2) * x.std(ddof=1) / np.sqrt(len(x)))
    centre = float(x.mean())
    label = f"Student t over {len(x)} runs, {100 * confidence:g} %"
    whole = (centre - half, centre + half)
    low, high = np.clip(whole, 0, 1) if unit == "share" else whole  # what lies outside is impossible anyway
    return Metric(centre, min(float(low), centre), max(float(high), centre), len(x), label, unit)


def above_chance(measured: Metric, chance: float) -> Metric:
    """`measured` on a scale where chance is 0 and everything is 1.

    Raises:
        ValueError: chance is not in [0, 1).
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be in [0, 1), got {chance}")
    value, low, high = ((x - chance) / (1 - chance) for x in (measured.value, measured.low, measured.high))
    return Metric(value, low, high, measured.n, measured.interval)


def ends(metrics: Sequence[Metric]) -> tuple[list[float], list[float], list[float]]:
    """Values, lower ends and upper ends, as a `Curve` takes them."""
    return [m.value for m in metrics], [m.low for m in metrics], [m.high for m in metrics]
