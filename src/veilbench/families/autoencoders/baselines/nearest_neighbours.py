"""Distance to the nearest training rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector


class NearestNeighbours(Fitted, Detector):
    """Scores rows by the Euclidean distance to the k-th nearest training row (Ramaswamy et al. 2000).

    It stores the training rows unchanged, so the model reveals the data. A training row is its own first neighbour.

    Args:
        k: rank of the neighbour whose distance counts.
    """

    array_names = ("rows",)

    def __init__(self, k: Count = 5) -> None:
        super().__init__()
        self.k = k

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"k": self.k}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the training rows, shape (n, *shape)."""
        if self.k > len(rows.train):
            raise UserError(
                f"k={self.k} neighbours need at least that number of training rows; there are {len(rows.train)}"
            )
        return {"rows": rows.train.x}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"rows": (None, *row)}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        super().check_arrays(row)
        if len(self["rows"]) < self.k:
            raise ValueError(f"rows has {len(self['rows'])} rows, and k={self.k} neighbours are asked for")

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(self.measure_distances(rows)[:, -1])

    def measure_distances(self, rows: np.ndarray) -> np.ndarray:
        """Return the Euclidean distances to the k nearest training rows, ascending, shape (n, *shape) to (n, k)."""
        from sklearn.neighbors import NearestNeighbors

        distances, _ = NearestNeighbors(n_neighbors=self.k).fit(flatten(self["rows"])).kneighbors(flatten(rows))
        return np.asarray(distances)
