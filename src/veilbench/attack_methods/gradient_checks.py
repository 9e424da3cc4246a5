"""Checks for masked gradients, after which a failed attack says little (Athalye et al. 2018, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from veilbench.attack_methods.evasion_settings import Perturbations
from veilbench.attack_methods.pgd import column, lengths, project, random_on_sphere, value_and_gradient

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.evasion_task import EvasionTask, Search
    from veilbench.attack_methods.pgd import Bounds
    from veilbench.metrics.nearest import Norm

NOTICEABLE = 0.05  # differences below this fraction of the rows are not reported
DRAWS = 4  # random changes of each row that tell whether its score responds


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
    return float(without_gradient(task, device).mean())


def without_gradient(task: EvasionTask, device: torch.device) -> np.ndarray:
    """Return at which rows the gradient of the score is zero, shape (n,), bool."""
    import torch

    _, slope = value_and_gradient(task.score(device), torch.from_numpy(task.rows).to(device))
    return np.asarray((lengths(slope) == 0).cpu().numpy())


def without_response(
    task: EvasionTask, norm: Norm, budget: float, bounds: Bounds, device: torch.device, rng: np.random.Generator
) -> np.ndarray:
    """Return at which rows random changes do not change the score, so that a search has nothing to follow.

    Args:
        task: rows to move, and their score.
        norm: norm of the changes.
        budget: size of the changes, in units of `task.distance_to_boundary`.
        bounds: smallest and largest value allowed in a row; None allows all.
        device: torch device to compute on.
        rng: source of the changes.

    Returns:
        Whether each row's score stays the same, shape (n,), bool.
    """
    import torch

    generator, score = torch.Generator().manual_seed(int(rng.integers(2**62))), task.score(device)
    rows = torch.from_numpy(task.rows).to(device)
    wide = column(torch.from_numpy((budget * task.distance_to_boundary).astype(np.float32)).to(device), rows)
    with torch.no_grad():
        own, same = score(rows), np.ones(len(rows), bool)
        for _ in range(DRAWS):
            moved = project(rows + wide * random_on_sphere(rows, norm, generator), rows, wide, norm, bounds)
            same &= (score(moved) == own).cpu().numpy()
    return same
