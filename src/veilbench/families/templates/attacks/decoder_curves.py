"""How much more of the held-out images a decoder recovers with a larger training budget."""

from __future__ import annotations

from collections.abc import Mapping

from veilbench.bench.findings import BudgetCurve

FRACTIONS = (8, 4, 2, 1)  # budgets of a curve over training steps, as divisors of the steps taken


def curve_over_steps(errors: Mapping[int, float], mean_error: float) -> BudgetCurve:
    """Return the share of the held-out images' variance that a network recovers, for increasing training steps.

    Args:
        errors: the lowest mean squared error on held-out images so far, by the number of training steps.
        mean_error: mean squared error of the mean training image on the same images, above 0.
    """
    taken, first = max(errors), min(errors)
    budgets = sorted({taken // part for part in FRACTIONS if taken // part >= first})
    least = [min(error for step, error in errors.items() if step <= budget) for budget in budgets]
    return BudgetCurve("training steps", budgets, [1 - error / mean_error for error in least])


def curve_over_rows(errors: Mapping[int, float], mean_error: float) -> BudgetCurve:
    """Return the share of the held-out images' variance that a regression recovers, for increasing training rows.

    Args:
        errors: mean squared error on held-out images, by the number of training rows.
        mean_error: mean squared error of the mean training image on the same images, above 0.
    """
    rows = sorted(errors)
    return BudgetCurve("auxiliary impressions", rows, [1 - errors[count] / mean_error for count in rows])
