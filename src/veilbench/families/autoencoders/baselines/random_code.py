"""A code that reveals nothing: the negative control of attacks on codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.attack_methods.hashed_noise import hash_to_noise
from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.limits import Width
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation

KEY_BYTES = 32


class RandomCode(Fitted, Representation):
    """The code is standard normal noise, and every code decodes to the mean training row.

    The noise is a keyed hash of the row (SHA-256, extended by SHAKE256), so a row always has the same code, as with an
    encoder. Nothing about a new row can be learned from its code, except that two rows are equal.

    Args:
        code: length of the code.
    """

    array_names = ("key", "mean")

    def __init__(self, code: Width = 8) -> None:
        super().__init__()
        self.code = code

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"code": self.code}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return a key, shape (32,), uint8, and the mean training row, shape (*shape)."""
        return {"key": np.frombuffer(rng.bytes(KEY_BYTES), np.uint8), "mean": rows.train.x.mean(0)}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"mean": row}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        require_array(self.fitted_arrays, "key", np.uint8, (KEY_BYTES,))
        super().check_arrays(row)

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, code), float32."""
        return hash_to_noise(self["key"].tobytes(), np.asarray(rows, np.float32), self.code)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, code) to (n, *shape), float32."""
        return np.broadcast_to(self["mean"], (len(codes), *self["mean"].shape)).copy()
