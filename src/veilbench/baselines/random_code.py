"""Noise in the place of a code."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from veilbench.representations.base import Representation


class RandomCode(Representation):
    """Gaussian noise that has nothing to do with the row; decoded to the mean training row.

    Args:
        code: numbers in a code.
    """

    def __init__(self, code: Annotated[int, Ge(1)] = 16) -> None:
        self.code = code
        self.mean = np.zeros(0, np.float32)
        self.rng = np.random.default_rng(0)

    def fit(self, data: Any, rng: np.random.Generator) -> RandomCode:
        """Takes the mean row."""
        made = RandomCode(self.code)
        made.mean, made.rng = data.train.x.mean(0), np.random.default_rng(rng.integers(2**62))
        return made

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """See `Representation.encode`."""
        return self.rng.standard_normal((len(rows), self.code), dtype=np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """See `Representation.decode`."""
        return np.broadcast_to(self.mean, (len(codes), *self.mean.shape)).copy()

    def settings(self) -> dict[str, Any]:
        """The length of a code."""
        return {"code": self.code}

    def arrays(self) -> dict[str, np.ndarray]:
        """The mean row."""
        return {"mean": self.mean}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> RandomCode:
        """See `Subject.restore`."""
        made = cls(**settings)
        made.mean = arrays["mean"]
        return made
