"""Checks for masked gradients, after which a failed attack says little (Athalye et al. 2018, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from veilbench.attack_methods.evasion_settings import Perturbations
from veilbench.attack_methods.pgd import lengths, value_and_gradient

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.evasion_task import EvasionTask, Search

NOTICEABLE = 0.05  # differences below this fraction of the rows are not reported


@dataclass(frozen=True)
class GradientChecks:
    """Compares the success of searches that should agree.

    Attributes:
        label: name of the attack's goal, put before each note.
        perturbations: budgets of the searches; they are compared at the reference budget.
        steps: number of steps of the full gradient descent.
    """

    label: str
    perturbations: Perturbations
    steps: int

    def check_gradients(
        self,
        task: EvasionTask,
        success: dict[str, np.ndarray],
        short: Search,
        device: torch.device,
        rng: np.random.Generator,
    ) -> list[str]:
        """Return what is suspicious, one note each.

        Args:
            task: rows to move, and their score.
            success: success of the searches "gradient" and "search" (without gradients), shape (budgets, rows), bool.
            short: gradient descent with a quarter of the steps.
            device: torch device to compute on.
            rng: source of the random numbers of `short`.
        """
        budget = self.perturbations.reference_budget
        reference = self.perturbations.ascending().index(budget)
        by_gradient, by_search = success["gradient"][reference], success["search"][reference]
        quarter, full = task.success(short, budget, device, rng).mean(), by_gradient.mean()
        flat, only_search = zero_gradients(task, device), (by_search & ~by_gradient).mean()
        doubts = []
        if flat > NOTICEABLE:
            doubts.append(f"masked gradients: the gradient is zero at {flat:.0%} of the rows")
        if only_search > NOTICEABLE:
            cause = "masked gradients" if full - quarter <= NOTICEABLE else "too few steps or masked gradients"
            doubts.append(f"{cause}: the search without gradients moved {only_search:.0%} more of the rows")
        if full - quarter <= NOTICEABLE and success["gradient"][-1].mean() < 1 - NOTICEABLE:
            doubts.append(
                f"more steps help no more ({self.steps} as good as a quarter), and no budget reaches all rows"
            )
        if full - quarter > NOTICEABLE:
            doubts.append(f"not converged: a quarter of the steps reaches {quarter:.0%}, all {full:.0%}; raise steps")
        return [f"{self.label}: {doubt}." for doubt in doubts] + self.check_reach(success)

    def check_reach(self, success: dict[str, np.ndarray]) -> list[str]:
        """Return a note if the search failed for rows that are known to be within reach, at a budget of 1 or more."""
        reached, largest = success["any"][-1].mean(), self.perturbations.ascending()[-1]
        if largest < 1 or reached == 1:
            return []
        return [
            f"{self.label}: the search failed for {1 - reached:.1%} of the rows at budget {largest:g}, where "
            "the other side is within reach: the curve is a lower bound of what is possible."
        ]


def zero_gradients(task: EvasionTask, device: torch.device) -> float:
    """Return the share of rows at which the gradient of the score is zero."""
    import torch

    _, slope = value_and_gradient(task.score(device), torch.from_numpy(task.rows).to(device))
    return float((lengths(slope) == 0).float().mean())
