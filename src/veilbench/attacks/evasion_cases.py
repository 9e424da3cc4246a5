"""Who is to be moved across a detector's threshold, how far it is, and who got there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from veilbench.attacks.pgd import Box, Score
from veilbench.data.rows import Rows
from veilbench.errors import UserError
from veilbench.metrics.nearest import Norm, nearest
from veilbench.representations.base import Detector, DifferentiableDetector

Search = Callable[[Score, Tensor, Tensor, torch.Generator], Tensor]  # score to lower, rows, radii -> moved rows


@dataclass(frozen=True)
class Case:
    """Rows on the wrong side of the threshold, seen from the attacker.

    Attributes:
        detector: to be evaded.
        rows: shape (n, *shape), float32.
        goals: the nearest row on the other side to each, shape (n, *shape).
        reach: distance of each row from its goal, shape (n,): the unit of budgets.
        threshold: of the score; an alarm is raised above it.
        sign: 1 where the score is to be lowered (hide an anomaly), -1 where it is to be raised (raise a false alarm).
    """

    detector: Detector
    rows: np.ndarray
    goals: np.ndarray
    reach: np.ndarray
    threshold: float
    sign: int

    def score(self, device: torch.device) -> Score:
        """What is to be lowered, on tensors; without a gradient where the detector has none."""
        detector, sign = self.detector, self.sign
        if isinstance(detector, DifferentiableDetector):
            return lambda rows: sign * detector.score_tensor(rows)
        return lambda rows: torch.from_numpy(sign * detector.score(rows.cpu().numpy())).to(device)

    def walk(self, score: Score, rows: Tensor, radii: Tensor, generator: torch.Generator) -> Tensor:
        """A search without questions: straight towards the goal, as far as the budget goes and no further."""
        goals, reach = torch.from_numpy(self.goals).to(rows), torch.from_numpy(self.reach).to(rows)
        share = (radii / reach.clamp_min(1e-12)).clamp_max(1).view(-1, *[1] * (rows.dim() - 1))
        return torch.where(share < 1, rows + share * (goals - rows), goals)

    def crossed(self, search: Search, budget: float, device: torch.device, rng: np.random.Generator) -> np.ndarray:
        """Which rows a search moves across the threshold, as `Detector.score` says; shape (n,), bool."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = torch.from_numpy(self.rows).to(device)
        radii = torch.from_numpy((budget * self.reach).astype(np.float32)).to(device)
        moved = search(self.score(device), rows, radii, generator).detach().cpu().numpy()
        return np.asarray((self.detector.score(moved) > self.threshold) == (self.sign < 0))


def cases(
    detector: Detector, rows: Rows, quantile: float, norm: Norm, most_rows: int, rng: np.random.Generator
) -> tuple[Case, Case]:
    """Anomalies that are caught and normal rows that are not, of the test, each with the nearest of the other side.

    Raises:
        UserError: the data has no anomalies, or there is nobody on one side.
    """
    if not rows.one_class:
        raise UserError("evasion needs one-class data: set data.normal to the labels that count as normal")
    threshold = float(np.quantile(detector.score(rows.validation.x), quantile))
    alarm, odd = detector.score(rows.test.x) > threshold, rows.test.y == 1
    caught, accepted = rows.test.x[alarm & odd], rows.test.x[~alarm & ~odd]
    known = rows.train.x[detector.score(rows.train.x) <= threshold]
    for side, what in ((caught, "test anomaly is caught"), (accepted, "test row is let pass"), (known, "row passes")):
        if not len(side):
            raise UserError(f"evasion has nothing to work on: no {what} at the {quantile:g} quantile of the scores")
    hide, alarm_rows = _some(caught, most_rows, rng), _some(accepted, most_rows, rng)
    return (
        _case(detector, hide, known, norm, threshold, 1),
        _case(detector, alarm_rows, caught, norm, threshold, -1),
    )


def _case(detector: Detector, rows: np.ndarray, others: np.ndarray, norm: Norm, threshold: float, sign: int) -> Case:
    places, reach = nearest(rows, others, norm)
    return Case(detector, rows, others[places], reach, threshold, sign)


def box_of(rows: Rows) -> Box:
    """Pixels stay in [0, 1] where they are in it; the columns of a table may take any value."""
    parts = (rows.train.x, rows.test.x)
    inside = min(part.min() for part in parts) >= 0 and max(part.max() for part in parts) <= 1
    return (0.0, 1.0) if len(rows.shape) == 3 and inside else None


def _some(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return x[np.sort(rng.permutation(len(x))[:most])]


def climb(
    case: Case, search: Search, budgets: Sequence[float], device: torch.device, rng: np.random.Generator
) -> np.ndarray:
    """Who is across at each budget; whom a smaller budget moved, a larger one moves too. Shape (budgets, rows)."""
    return np.logical_or.accumulate([case.crossed(search, budget, device, rng) for budget in budgets])
