"""No coding at all: the code is the row."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.representations.base import Representation


class IdentityCode(Representation):
    """The row itself as its code: an inverter has nothing to do."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()

    def fit(self, data: Any, rng: np.random.Generator) -> IdentityCode:
        """Notes the shape of a row."""
        made = IdentityCode()
        made.shape = tuple(data.train.x.shape[1:])
        return made

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """See `Representation.encode`."""
        return np.asarray(rows.reshape(len(rows), -1), dtype=np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """See `Representation.decode`."""
        return np.asarray(codes.reshape(len(codes), *self.shape), dtype=np.float32)

    def settings(self) -> dict[str, Any]:
        """The shape of a row."""
        return {"shape": list(self.shape)}

    def arrays(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> IdentityCode:
        """See `Subject.restore`."""
        made = cls()
        made.shape = tuple(settings["shape"])
        return made
