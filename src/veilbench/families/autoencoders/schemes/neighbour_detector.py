"""Anomaly score that multiplies an autoencoder's score by the distance to the nearest training rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import LARGEST_VALUE, Count, require_value
from veilbench.families.autoencoders.schemes.autoencoder import AT_ONCE, FITTED_TO, SMALLEST, CodedRows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector
from veilbench.nets.in_parts import apply_in_parts

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors


class NeighbourDetector(DifferentiableDetector):
    """Scores rows by the geometric mean of an autoencoder's score and the squared distance to training rows.

    The distance is the mean over the `neighbours` nearest training rows of the squared difference per feature, so it
    has the unit of a reconstruction error. The geometric mean ranks rows by the sum of both logarithms and needs no
    weights: the product rule of Kittler et al. (1998).

    The model stores training rows unchanged, so that its file contains the data, and a training row that is scored is
    its own first neighbour.

    Args:
        coded: trained autoencoder whose score is the first factor.
        rows: training rows to measure distances to, shape (m, *shape), float32.
        neighbours: number of nearest training rows to average over; at most m.

    Raises:
        UserError: there are fewer rows than neighbours.
    """

    def __init__(self, coded: CodedRows, rows: np.ndarray, neighbours: int) -> None:
        if neighbours > len(rows):
            raise UserError(
                f"neighbours={neighbours} needs at least as many training rows; there are {len(rows)}, "
                f"allowed: 1 to {len(rows)}"
            )
        self.coded, self.rows, self.neighbours = coded, rows, neighbours

    @classmethod
    def keep_rows(cls, coded: CodedRows, rows: np.ndarray, neighbours: int) -> NeighbourDetector:
        """Keep the training rows, shape (n, *shape); of more than `FITTED_TO`, that many evenly spaced ones."""
        kept = np.linspace(0, len(rows) - 1, min(len(rows), FITTED_TO)).astype(int)
        return cls(coded, rows[kept], neighbours)

    @cached_property
    def _index(self) -> NearestNeighbors:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=self.neighbours).fit(self.rows.reshape(len(self.rows), -1))

    def _find_nearest(self, rows: np.ndarray) -> np.ndarray:
        """Return the nearest training rows of each row, shape (n, *shape) to (n, neighbours, *shape)."""
        places = self._index.kneighbors(rows.reshape(len(rows), -1), return_distance=False)
        return np.asarray(self.rows[places])

    def _distances(self, rows: Tensor) -> Tensor:
        """Return the mean squared difference from the nearest training rows, shape (n,)."""
        nearest = torch.from_numpy(self._find_nearest(rows.detach().cpu().numpy())).to(rows)
        return ((rows[:, None] - nearest) ** 2).flatten(1).mean(1)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable while the nearest rows stay the same."""
        return (self.coded.score_tensor(rows) * self._distances(rows)).clamp(min=SMALLEST).sqrt()

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return apply_in_parts(self.score_tensor, rows, AT_ONCE).astype(np.float64)

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return each feature's part of the score, shape (n, *shape); the parts add up to the score.

        A feature's part is the mean of its shares in both factors, which is its share in the score's gradient along the
        row's residual and differences (Euler's theorem on homogeneous functions).
        """
        errors = self.coded.feature_scores(rows)
        differences = ((rows[:, None] - self._find_nearest(rows)) ** 2).mean(1)
        shares = sum(part / np.maximum(_sum_row(part), SMALLEST) for part in (errors, differences))
        return np.asarray(shares * self.score(rows).reshape(-1, *[1] * (rows.ndim - 1)) / 2)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the autoencoder, and the number of neighbours."""
        return {"coded": self.coded.settings(), "neighbours": self.neighbours}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the autoencoder, and the training rows."""
        return {**self.coded.arrays(), "rows": self.rows}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> NeighbourDetector:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_value(dict[str, Any], settings.get("coded"), "settings.coded")
        require_value(Count, settings.get("neighbours"), "settings.neighbours")
        coded = CodedRows.restore(settings["coded"], arrays)
        shape = (None, *coded.net.shape)
        rows = require_array(arrays, "rows", np.float32, shape, low=-LARGEST_VALUE, high=LARGEST_VALUE)
        return cls(coded, rows, settings["neighbours"])


def _sum_row(parts: np.ndarray) -> np.ndarray:
    return np.asarray(parts.sum(tuple(range(1, parts.ndim)), keepdims=True))
