"""A code that reveals everything: the positive control of attacks on codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation


class IdentityCode(Fitted, Representation):
    """Encodes a row as itself, flattened."""

    array_names = ("shape",)

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the shape of a row."""
        return {"shape": np.array(rows.shape, np.int64)}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        require_array(self.fitted_arrays, "shape", np.integer, (len(row),))
        if tuple(self["shape"].tolist()) != row:
            raise ValueError(f"shape holds {self['shape'].tolist()}, and a row has the shape {list(row)}")

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, code), float32."""
        return rows.reshape(len(rows), -1).astype(np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, code) to (n, *shape), float32."""
        return codes.reshape(len(codes), *self["shape"]).astype(np.float32)
