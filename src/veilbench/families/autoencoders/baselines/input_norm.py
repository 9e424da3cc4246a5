"""The simplest anomaly score: the norm of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector

if TYPE_CHECKING:
    from torch import Tensor


class InputNorm(Fitted, DifferentiableDetector):
    """Scores rows by their Euclidean norm around the origin of the scaled data; nothing is learned.

    A detector that does no better than this one has not learned anything either.
    """

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no arrays: there is nothing to fit."""
        return {}

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(np.sqrt((flatten(rows) ** 2).sum(1)))

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return squares divided by the norm, which add up to it; all 0 for a row of zeros."""
        norm = self.score(rows)[:, None]
        return np.asarray(flatten(rows) ** 2 / np.where(norm > 0, norm, 1)).reshape(rows.shape)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable, with gradient 0 at a row of zeros."""
        import torch

        norms: Tensor = torch.linalg.vector_norm(rows.flatten(1), dim=1)
        return norms
