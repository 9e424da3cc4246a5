"""The four verdicts, and the constants that the rule for them depends on; `bench.rule` applies it."""

from __future__ import annotations

from enum import StrEnum

# Confidence level of each gain's interval. By Bonferroni's correction, the probability that any of ten attacks on one
# experiment gets a false verdict in a given direction is at most 5 %.
ATTACKS = 10
CONFIDENCE = 1 - 2 * 0.05 / ATTACKS
MARGIN = 0.1  # a gain below it is small enough for "holds"
PLATEAU = 0.02  # a last doubling of the budget that raises the gain by no more than this has reached the plateau


class Verdict(StrEnum):
    """The outcome of an attack. No verdict says "secure", because a failed attack does not show that."""

    BROKEN = "broken"
    LEAKS = "leaks"
    HOLDS = "holds at this budget"
    INCONCLUSIVE = "inconclusive"
