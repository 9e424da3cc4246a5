"""Looks at a growing sample: an attack may stop as soon as its verdict is certain."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from veilbench.bench.findings import Metric
from veilbench.bench.verdict import CONFIDENCE, MARGIN

LOOKS_AT_TEXTS = (0.2, 0.7, 1.0)  # of 60 texts: 12 tell a control, 42 that a scheme is broken, 60 that it holds
DRAWS = 100_000  # of `bounded_mean`: the smallest tail is 0.0003
SPENT = (0.06, 0.24, 0.7)  # share of the error probability that each look spends: the last one needs most of it


@dataclass(frozen=True)
class Look:
    """One of the looks at a sample.

    Attributes:
        units: number of units (texts, games) that are in the sample by then.
        confidence: confidence level of the interval of this look.
    """

    units: int
    confidence: float


def plan_looks(units: int, shares: Sequence[float]) -> list[Look]:
    """Plan the looks at a sample, such that the intervals of all looks hold jointly at the level `CONFIDENCE`.

    The looks split the error probability by the union bound, so that stopping at any of them is valid, whatever the
    reason (group sequential testing; Pocock 1977 and Lan and DeMets 1983 spend it more exactly).

    Args:
        units: number of units at the last look, at least 2; so is that of each look.
        shares: share of them at each look, ascending; the last is 1.
    """
    return [
        Look(max(2, math.ceil(units * share)), 1 - (1 - CONFIDENCE) * spent)
        for share, spent in zip(shares, SPENT, strict=True)
    ]


def is_certain(gain: Metric, broken_threshold: float, control: bool) -> bool:
    """Return whether more units could not change what a gain means.

    Args:
        gain: gain with the interval of a look.
        broken_threshold: gain from which a scheme counts as broken.
        control: whether the scheme is a control, of which only matters whether it is broken.
    """
    if gain.low >= broken_threshold or gain.high < MARGIN:
        return True
    return gain.high < broken_threshold and (control or gain.low > 0)


def look_until_certain(
    looks: Sequence[Look], measure: Callable[[Look], Metric], broken_threshold: float, control: bool
) -> Metric:
    """Measure the gain at each look, and return that of the first one that is certain, or of the last.

    Args:
        looks: the looks in ascending order, see `plan_looks`.
        measure: returns the gain of the units of a look, with an interval at its confidence level.
        broken_threshold: gain from which a scheme counts as broken.
        control: whether the scheme is a control.
    """
    for look in looks[:-1]:
        if is_certain(gain := measure(look), broken_threshold, control):
            return gain
    return measure(looks[-1])
