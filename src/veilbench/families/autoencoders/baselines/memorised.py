"""Overfitting at its worst: the model keeps its training rows and answers with the nearest one."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.nearest import nearest


class Memorised(Fitted, Representation):
    """The code is the number of the nearest training row; members come back without any error.

    The positive control of membership inference.
    """

    names = ("train",)

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def learned(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The training rows, shape (n, *shape)."""
        return {"train": rows.train.x}

    def shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"train": (None, *row)}

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Shape (n, 1): the nearest training row's number; exact in float32 below 2^24 rows."""
        places, _ = nearest(rows, self["train"])
        return places[:, None].astype(np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """See `Representation.decode`; a number between two rows is rounded."""
        places = np.clip(codes[:, 0].round(), 0, len(self["train"]) - 1).astype(np.int64)
        return np.asarray(self["train"][places])
