"""Evasion tasks: rows to move across a decision boundary, and which of them succeed."""

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
class EvasionTask(ABC):
    """Rows on one side of a decision boundary that the attacker wants on the other side.

    Attributes:
        rows: rows to move, shape (n, *shape), float32.
        distance_to_boundary: unit of the budgets, shape (n,): how far each row may be moved at a budget of 1, where
            some point beyond the boundary is known to lie.
    """

    rows: np.ndarray
    distance_to_boundary: np.ndarray

    @abstractmethod
    def score(self, device: torch.device) -> Score:
        """Return the score to minimise, a function of tensors; its result has no gradient if the model has none."""

    @abstractmethod
    def succeeded(self, moved: np.ndarray) -> np.ndarray:
        """Return whether each moved row now gets the decision that the attacker wants; shape (n,), bool."""

    @abstractmethod
    def subset(self, rows: np.ndarray) -> Self:
        """Return the task restricted to some of the rows, selected by a mask of shape (n,)."""

    def straight_path(self, budget: float) -> np.ndarray | None:
        """Return the success of the straight path to the nearest point beyond the boundary; None if none is known."""
        return None

    def surrogate(self) -> EvasionTask | None:
        """Return the same rows with a differentiable surrogate, fitted to answers of the score, if any."""
        return None

    def success(self, search: Search, budget: float, device: torch.device, rng: np.random.Generator) -> np.ndarray:
        """Return which rows a search moves across the boundary within a budget; shape (n,), bool."""
        return self.succeeded(self.move(search, budget, device, rng))

    def move(self, search: Search, budget: float, device: torch.device, rng: np.random.Generator) -> np.ndarray:
        """Return the rows moved by a search within a budget, across the boundary or not; shape (n, *shape)."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = torch.from_numpy(self.rows).to(device)
        radii = torch.from_numpy((budget * self.distance_to_boundary).astype(np.float32)).to(device)
        return np.asarray(search(self.score(device), rows, radii, generator).detach().cpu().numpy())


def success_curve(
    task: EvasionTask, search: Search, budgets: Sequence[float], device: torch.device, rng: np.random.Generator
) -> np.ndarray:
    """Compute the success of a search at each budget.

    A row that succeeds at a smaller budget counts as a success at every larger one, and is not searched again.

    Args:
        task: rows to move, and their score.
        search: search that lowers the score within a radius per row.
        budgets: budgets in ascending order, in units of `task.distance_to_boundary`.
        device: torch device to compute on.
        rng: source of the random numbers of the search.

    Returns:
        Success of each row at each budget, shape (budgets, rows), bool.
    """
    curve = np.zeros((len(budgets), len(task.rows)), bool)
    for index, budget in enumerate(budgets):
        left = ~curve[max(index - 1, 0)]
        curve[index] = ~left
        if left.any():
            curve[index, left] = task.subset(left).success(search, budget, device, rng)
    return curve
