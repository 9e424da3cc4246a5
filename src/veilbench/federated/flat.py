"""Converts a model's arrays to one vector and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def flatten(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate all values in one vector, shape (size,), float64."""
    return np.concatenate([np.ravel(array).astype(np.float64) for array in arrays]) if arrays else np.empty(0)


def unflatten(vector: np.ndarray, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Split a vector made by `flatten` into arrays with the shapes and dtypes of `like`.

    Raises:
        ValueError: the vector's size differs from the total size of `like`.
    """
    if len(vector) != (size := sum(array.size for array in like)):
        raise ValueError(f"a vector of {len(vector)} numbers does not fill arrays of {size}")
    ends = np.cumsum([array.size for array in like])
    pieces = np.split(vector, ends[:-1])
    return [piece.reshape(array.shape).astype(array.dtype) for piece, array in zip(pieces, like, strict=True)]
