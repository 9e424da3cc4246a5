"""Overfitting at its worst: the model keeps its training rows and answers with the nearest one."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.data.rows import Rows
from veilbench.metrics.nearest import nearest
from veilbench.representations.base import Representation


class Memorised(Representation):
    """The code is the number of the nearest training row; members come back without any error.

    The positive control of membership inference.
    """

    data_kind = Rows

    def __init__(self) -> None:
        self.train = np.zeros((0, 1), np.float32)

    def fit(self, data: Any, rng: np.random.Generator) -> Memorised:
        """Keeps the training rows."""
        return self.restore({}, {"train": data.train.x})

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Shape (n, 1): the nearest training row's number; exact in float32 below 2^24 rows."""
        places, _ = nearest(rows, self.train)
        return places[:, None].astype(np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """See `Representation.decode`; a number between two rows is rounded."""
        places = np.clip(codes[:, 0].round(), 0, len(self.train) - 1).astype(np.int64)
        return np.asarray(self.train[places])

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """The training rows."""
        return {"train": self.train}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Memorised:
        """See `Subject.restore`."""
        made = cls()
        made.train = arrays["train"]
        return made
