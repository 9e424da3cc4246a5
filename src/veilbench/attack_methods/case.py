"""Rows that are to be moved to where a decision changes, and who got there."""

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
    """Rows on the wrong side of a decision, seen from the attacker.

    Attributes:
        rows: shape (n, *shape), float32.
        reach: the unit of budgets, shape (n,): how far each row may be moved at a budget of 1.
    """

    rows: np.ndarray
    reach: np.ndarray

    @abstractmethod
    def score(self, device: torch.device) -> Score:
        """What is to be lowered, on tensors; without a gradient where there is none."""

    @abstractmethod
    def across(self, moved: np.ndarray) -> np.ndarray:
        """Whether the decision about each row, so moved, is the wanted one; shape (n,), bool."""

    @abstractmethod
    def of(self, rows: np.ndarray) -> Self:
        """The same case with some of the rows, by a mask of shape (n,)."""

    def walked(self, budget: float) -> np.ndarray | None:
        """Who is across on a way that is known to lead there at a budget of 1; None where no such way is known."""
        return None

    def stand_in(self) -> Case | None:
        """The same rows with a score that has gradients, learned from the true one's answers; None: there is none."""
        return None

    def crossed(self, search: Search, budget: float, device: torch.device, rng: np.random.Generator) -> np.ndarray:
        """Which rows a search moves to where the decision is the wanted one; shape (n,), bool."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = torch.from_numpy(self.rows).to(device)
        radii = torch.from_numpy((budget * self.reach).astype(np.float32)).to(device)
        moved = search(self.score(device), rows, radii, generator).detach().cpu().numpy()
        return self.across(moved)


def climb(
    case: Case, search: Search, budgets: Sequence[float], device: torch.device, rng: np.random.Generator
) -> np.ndarray:
    """Who is across at each budget; whom a smaller budget moved, a larger one need not move again.

    Args:
        case: whom to move.
        search: how.
        budgets: ascending.
        device: where to compute.
        rng: draws for the search.

    Returns:
        Shape (budgets, rows), bool.
    """
    across = np.zeros((len(budgets), len(case.rows)), bool)
    for place, budget in enumerate(budgets):
        left = ~across[max(place - 1, 0)]
        across[place] = ~left
        if left.any():
            across[place, left] = case.of(left).crossed(search, budget, device, rng)
    return across
