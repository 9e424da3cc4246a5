"""Settings of evasion attacks: how far rows may be moved, and how the attacker searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from veilbench.bench.limits import Count, Positive, Steps
from veilbench.metrics.nearest import Norm


@dataclass(frozen=True)
class Perturbations:
    """Norm balls that rows are moved within.

    Attributes:
        norm: norm of the perturbation, "l2" or "linf".
        budgets: radii of the success curve, in units of each row's distance to the boundary.
        reference_budget: radius at which the gain is measured, one of `budgets`.

    Raises:
        ValueError: `reference_budget` is not one of `budgets`.
    """

    norm: Norm = "l2"
    budgets: Annotated[Sequence[Positive], MinLen(1)] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0)
    reference_budget: Positive = 0.5

    def __post_init__(self) -> None:
        if self.reference_budget not in self.budgets:
            raise ValueError(f"reference_budget={self.reference_budget} must be one of budgets={list(self.budgets)}")

    def ascending(self, to_reference: bool = False) -> list[float]:
        """Return the budgets in ascending order; with `to_reference`, only those up to the reference budget."""
        return sorted(budget for budget in self.budgets if budget <= self.reference_budget or not to_reference)


@dataclass(frozen=True)
class EvasionSearch:
    """Budgets of the searches for adversarial examples.

    Attributes:
        steps: steps of each gradient descent.
        restarts: gradient descents per row: the first from the row itself, the others from random points in its ball.
        queries: score queries per row of the search without gradients. Its success is a lower bound of what gradients
            reach: on the detector of `anomaly`, 300 queries hide .39 of the rows, 1,200 .48, 2,400 .51, gradients .55.
    """

    steps: Steps = 100
    restarts: Steps = 2
    queries: Count = 1200
