"""Distance from the mean relative to the data's covariance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.limits import LARGEST_PRECISION
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector
from veilbench.metrics.ledoit_wolf import ledoit_wolf

if TYPE_CHECKING:
    from torch import Tensor


class Mahalanobis(Fitted, DifferentiableDetector):
    """Scores rows by the squared Mahalanobis distance under the shrunk covariance of Ledoit and Wolf (2004).

    The shrinkage keeps the covariance invertible if there are fewer rows than features.
    """

    array_names = ("mean", "precision")

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the mean, shape (*shape), and the inverse covariance, shape (features, features)."""
        mean, _, precision = ledoit_wolf(flatten(rows.train.x))
        return {"mean": mean.reshape(rows.shape), "precision": precision}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"mean": row}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        super().check_arrays(row)
        shape = (math.prod(row), math.prod(row))
        require_array(
            self.fitted_arrays, "precision", np.floating, shape, low=-LARGEST_PRECISION, high=LARGEST_PRECISION
        )

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(flatten(self.feature_scores(rows)).sum(1))

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the terms of the sum over features; a term can be negative if features are correlated."""
        centred = flatten(rows - self["mean"])
        return np.asarray(centred * (centred @ self["precision"])).reshape(rows.shape)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        import torch

        mean, precision = (torch.from_numpy(self[name]).to(rows) for name in self.array_names)
        centred = rows.flatten(1) - mean.flatten()
        return (centred * (centred @ precision)).sum(1)
