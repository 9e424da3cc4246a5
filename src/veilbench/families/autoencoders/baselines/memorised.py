"""Extreme overfitting: the model stores its training rows and returns the nearest one."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.nearest import nearest


class Memorised(Fitted, Representation):
    """The code is the index of the nearest training row; members are reconstructed without error.

    The positive control of membership inference.
    """

    array_names = ("train",)

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the training rows, shape (n, *shape)."""
        return {"train": rows.train.x}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"train": (None, *row)}

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Return the index of the nearest training row, shape (n, 1); exact in float32 below 2^24 rows."""
        places, _ = nearest(rows, self["train"])
        return places[:, None].astype(np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the training row of each index, rounded to a whole number; shape (n, *shape)."""
        places = np.clip(codes[:, 0].round(), 0, len(self["train"]) - 1).astype(np.int64)
        return np.asarray(self["train"][places])
