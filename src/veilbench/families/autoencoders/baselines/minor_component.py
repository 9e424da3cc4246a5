"""A detector that measures a single direction, and is known to be evaded by a small step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector

if TYPE_CHECKING:
    from torch import Tensor

STILL = 1e-6  # share of the largest variance below which a direction counts as constant


class MinorComponent(Fitted, DifferentiableDetector):
    """Scores rows by their distance from the mean along the direction in which the training rows vary least.

    Constant directions are left out. The direction is the last of the minor components of Shyu et al. (2003), which
    detect rows that violate a correlation. An anomaly that it catches is hidden by a step along this one direction, of
    a size that is small among normal rows, whatever else is anomalous: this is the positive control of evasion.
    """

    array_names = ("mean", "direction")

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the mean, shape (*shape), and the direction, shape (features,), of length 1.

        Raises:
            UserError: the training rows do not vary.
        """
        mean = rows.train.x.mean(0, dtype=np.float64)
        centred = flatten(rows.train.x - mean)
        variances, directions = np.linalg.eigh(centred.T @ centred)
        varying = np.flatnonzero(variances > STILL * variances[-1])
        if not len(varying):
            raise UserError("the training rows do not vary: there is no direction to look along")
        return {"mean": mean, "direction": directions[:, varying[0]].copy()}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"mean": row, "direction": (math.prod(row),)}

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(np.abs(flatten(rows - self["mean"]) @ self["direction"]))

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        import torch

        mean, direction = (torch.from_numpy(self[name]).to(rows) for name in self.array_names)
        return ((rows.flatten(1) - mean.flatten()) @ direction).abs()
