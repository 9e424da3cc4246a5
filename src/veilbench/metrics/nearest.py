"""The nearest row of a pool, and how far rows lie apart."""

from __future__ import annotations

from typing import Literal

import numpy as np

Norm = Literal["l2", "linf"]
PAIRED = 1000  # rows, of whose pairs the distances are taken
BLOCK = 2**22  # numbers in one block of distances or differences: 32 MB


def nearest(queries: np.ndarray, pool: np.ndarray, norm: Norm = "l2") -> tuple[np.ndarray, np.ndarray]:
    """For each query the nearest row of the pool; of equally near ones the first.

    Args:
        queries: shape (n, ...), flattened.
        pool: shape (m, ...), m > 0.
        norm: "l2" is Euclidean, "linf" the largest difference of one number.

    Returns:
        The places in the pool, shape (n,), and the distances, shape (n,), float64.

    Raises:
        ValueError: the pool is empty.
    """
    if not len(pool):
        raise ValueError("the nearest row of an empty pool was asked for")
    x, y = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (queries, pool))
    step = max(1, BLOCK // (len(y) * (1 if norm == "l2" else x.shape[1])))
    squares, places = (y**2).sum(1), np.zeros(len(x), np.int64)
    for start in range(0, len(x), step):
        block = x[start : start + step]
        far = squares - 2 * block @ y.T if norm == "l2" else np.abs(block[:, None] - y[None]).max(2)
        places[start : start + step] = far.argmin(1)
    return places, np.linalg.norm(x - y[places], 2 if norm == "l2" else np.inf, axis=1)


def spacing(rows: np.ndarray, norm: Norm = "l2") -> float:
    """The median distance between two rows, of `PAIRED` of them, evenly spaced.

    Args:
        rows: shape (n, ...), flattened; at least two of them.
        norm: see `nearest`.

    Raises:
        ValueError: fewer than two rows.
    """
    from scipy.spatial.distance import pdist

    if len(rows) < 2:
        raise ValueError(f"a distance between rows needs two of them, got {len(rows)}")
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), PAIRED)).astype(int)]
    return float(np.median(pdist(some.reshape(len(some), -1), "euclidean" if norm == "l2" else "chebyshev")))
