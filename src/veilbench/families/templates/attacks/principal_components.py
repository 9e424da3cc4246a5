"""Principal components of a small number of long rows, such as images."""

from __future__ import annotations

import numpy as np


def principal_components(flat: np.ndarray, components: int) -> np.ndarray:
    """Return the orthonormal directions of largest variance.

    Args:
        flat: rows, shape (n, numbers).
        components: maximum number of directions; there are at most n - 1 of non-zero variance.

    Returns:
        One direction per row, shape (at most components, numbers), float32, in the order of falling variance.
    """
    centred = (flat - flat.mean(0)).astype(np.float64)
    values, left = np.linalg.eigh(centred @ centred.T)  # Gram matrix: there are fewer rows than columns
    order = np.argsort(values)[::-1][: min(components, len(flat) - 1)]
    order = order[values[order] > 1e-9 * max(float(values.max()), 1e-300)]
    return np.asarray((left[:, order] / np.sqrt(values[order])).T @ centred, np.float32)
