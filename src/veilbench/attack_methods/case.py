"""Evasion tasks: rows to move across a decision boundary, and which of them got there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from veilbench.attack_methods.pgd import Score

Search = Callable[[Score, Tensor, Tensor, torch.Generator], Tensor]  # score to lower, rows, radii -> moved rows


@dataclass(frozen=True)
class Case(ABC):
    """Rows on one side of a decision that the attacker wants on the other side.

    Attributes:
        rows: rows to move, shape (n, *shape), float32.
        reach: unit of the budgets, shape (n,): how far each row may be moved at a budget of 1.
    """

    rows: np.ndarray
    reach: np.ndarray

    @abstractmethod
    def score(self, device: torch.device) -> Score:
        """Return the score to minimise, a function of tensors; its result has no gradient if the model has none."""

    @abstractmethod
    def across(self, moved: np.ndarray) -> np.ndarray:
        """Return whether each moved row now gets the decision that the attacker wants; shape (n,), bool."""

    @abstractmethod
    def of(self, rows: np.ndarray) -> Self:
        """Return the task restricted to some of the rows, selected by a mask of shape (n,)."""

    def walked(self, budget: float) -> np.ndarray | None:
        """Return the success of the straight path to the nearest point beyond the boundary; None if none is known."""
        return None

    def surrogate(self) -> Case | None:
        """Return the same rows with a differentiable surrogate, fitted to answers of the score, if any."""
        return None

    def crossed(self, search: Search, budget: float, device: torch.device, rng: np.random.Generator) -> np.ndarray:
        """Return which rows a search moves across the boundary within a budget; shape (n,), bool."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = torch.from_numpy(self.rows).to(device)
        radii = torch.from_numpy((budget * self.reach).astype(np.float32)).to(device)
        moved = search(self.score(device), rows, radii, generator).detach().cpu().numpy()
        return self.across(moved)


def climb(
    case: Case, search: Search, budgets: Sequence[float], device: torch.device, rng: np.random.Generator
) -> np.ndarray:
    """Compute the success of a search at each budget.

    A row that succeeds at a smaller budget counts as a success at every larger one, and is not searched again.

    Args:
        case: rows to move, and their score.
        search: search that lowers the score within a radius per row.
        budgets: budgets in ascending order, in units of `case.reach`.
        device: torch device to compute on.
        rng: source of the random numbers of the search.

    Returns:
        Success of each row at each budget, shape (budgets, rows), bool.
    """
    across = np.zeros((len(budgets), len(case.rows)), bool)
    for place, budget in enumerate(budgets):
        left = ~across[max(place - 1, 0)]
        across[place] = ~left
        if left.any():
            across[place, left] = case.of(left).crossed(search, budget, device, rng)
    return across
