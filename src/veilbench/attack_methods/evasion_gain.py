"""The gain of an evasion attack: the share of rows that it moves, above the share that noise moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.metrics.intervals import above_chance, proportion

Share = Callable[[np.ndarray], Metric]  # which rows were moved, shape (n,), bool -> their share, with an interval


def share_moved(moved: np.ndarray) -> Metric:
    """Return the share of rows that were moved, shape (n,), bool, with its interval at the level `CONFIDENCE`."""
    return proportion(int(moved.sum()), len(moved), CONFIDENCE)


def gain_above_noise(
    success: np.ndarray, chances: np.ndarray, share: Share = share_moved, unknown: np.ndarray | None = None
) -> Metric:
    """Return the share of rows moved above the mean chance of noise.

    Args:
        success: which rows were moved, shape (n,), bool.
        chances: each row's probability of being moved by noise, shape (n,).
        share: function of which rows were moved, shape (n,), bool, that returns their share with an interval.
        unknown: rows that count as moved for the upper end of the interval, shape (n,), bool; None for no such rows.

    Returns:
        The gain with its interval; if noise moves all rows, nothing can be told, and the interval is [0, 1].
    """
    n, chance = len(success), float(chances.mean())
    if chance == 1:
        return Metric(0.0, 0.0, 1.0, n, "noise reaches all rows")
    gain = above_chance(share(success), chance)
    if unknown is None or not unknown.any():
        return gain
    most = above_chance(share(success | unknown), chance)
    label = f"{gain.interval}, {int((unknown & ~success).sum())} rows unknown"
    return Metric(gain.value, gain.low, most.high, n, label)
