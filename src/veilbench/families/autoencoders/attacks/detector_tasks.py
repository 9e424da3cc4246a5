"""Evasion tasks for detectors: rows to move across the threshold, and their distances to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from veilbench.attack_methods.evasion_task import EvasionTask
from veilbench.attack_methods.pgd import Bounds, Score
from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, DifferentiableDetector
from veilbench.metrics.nearest import Norm, nearest, spacing


@dataclass(frozen=True)
class DetectorTask(EvasionTask):
    """Rows on one side of a detector's threshold.

    `distance_to_boundary` is the distance from the nearest known row beyond the threshold.

    Attributes:
        detector: detector that the attack evades.
        goals: for each row the nearest known row on the other side of the threshold, shape (n, *shape).
        threshold: score above which an alarm is raised.
        spacing: median distance between two normal rows.
        sign: 1 to lower the score (hide an anomaly), -1 to raise it (raise a false alarm).
    """

    detector: Detector
    goals: np.ndarray
    threshold: float
    spacing: float
    sign: int

    def score(self, device: torch.device) -> Score:
        """Return the signed score to minimise; differentiable if the detector is."""
        detector, sign = self.detector, self.sign
        if isinstance(detector, DifferentiableDetector):
            return lambda rows: sign * detector.score_tensor(rows)
        return lambda rows: torch.from_numpy(sign * detector.score(rows.cpu().numpy())).to(device)

    def straight_path(self, budget: float) -> np.ndarray:
        """Return the success of moving straight towards the goals, as far as the budget allows; shape (n,), bool."""
        return self.succeeded(self.goals if budget >= 1 else self.rows + np.float32(budget) * (self.goals - self.rows))

    def subset(self, rows: np.ndarray) -> Self:
        """Return the task restricted to some of the rows, selected by a mask of shape (n,)."""
        distances = self.distance_to_boundary[rows]
        return replace(self, rows=self.rows[rows], distance_to_boundary=distances, goals=self.goals[rows])

    def succeeded(self, moved: np.ndarray) -> np.ndarray:
        """Return whether the detector's decision is the one wanted; shape (n,), bool."""
        return np.asarray((self.detector.score(moved) > self.threshold) == (self.sign < 0))


def build_tasks(
    detector: Detector, rows: Rows, quantile: float, norm: Norm, most_rows: int, rng: np.random.Generator
) -> tuple[DetectorTask, DetectorTask]:
    """Build two tasks: hide the test anomalies that are detected, and raise alarms with normal test rows that are not.

    Args:
        detector: detector that the attack evades.
        rows: prepared data with a one-class split.
        quantile: quantile of the validation rows' scores used as the threshold, in (0, 1).
        norm: norm of the distances between rows.
        most_rows: maximum number of rows per task, drawn at random.
        rng: source of the random choice of rows.

    Raises:
        UserError: the data has no anomalies, or one side of the threshold has no rows.
    """
    if not rows.one_class:
        raise UserError("evasion needs one-class data: set data.normal to the labels that count as normal")
    threshold = float(np.quantile(detector.score(rows.validation.x), quantile))
    alarm, odd = detector.score(rows.test.x) > threshold, rows.test.y == 1
    caught, accepted = rows.test.x[alarm & odd], rows.test.x[~alarm & ~odd]
    normal = np.concatenate([rows.train.x, rows.validation.x])
    known = normal[detector.score(normal) <= threshold]
    for side, what in ((caught, "test anomaly is caught"), (accepted, "test row is let pass"), (known, "row passes")):
        if not len(side):
            raise UserError(f"evasion has nothing to work on: no {what} at the {quantile:g} quantile of the scores")
    hide, alarm_rows = _sample(caught, most_rows, rng), _sample(accepted, most_rows, rng)
    apart = spacing(normal, norm)
    return (
        _build_task(detector, hide, known, norm, threshold, apart, 1),
        _build_task(detector, alarm_rows, caught, norm, threshold, apart, -1),
    )


def _build_task(
    detector: Detector, rows: np.ndarray, others: np.ndarray, norm: Norm, threshold: float, apart: float, sign: int
) -> DetectorTask:
    indices, distances = nearest(rows, others, norm)
    return DetectorTask(rows, distances, detector, others[indices], threshold, apart, sign)


def value_bounds(rows: Rows) -> Bounds:
    """Return [0, 1] if the rows are images in this range; otherwise None, since table columns may take any value."""
    parts = (rows.train.x, rows.test.x)
    inside = min(part.min() for part in parts) >= 0 and max(part.max() for part in parts) <= 1
    return (0.0, 1.0) if len(rows.shape) == 3 and inside else None


def _sample(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return x[np.sort(rng.permutation(len(x))[:most])]
