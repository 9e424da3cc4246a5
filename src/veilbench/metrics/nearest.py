"""Nearest rows in a pool, and typical distances of rows."""

from __future__ import annotations

from typing import Literal

import numpy as np

Norm = Literal["l2", "linf"]
PAIRED = 1000  # number of rows whose pairwise distances are computed
BLOCK = 2**22  # numbers per block of distances or differences: 32 MB


def nearest(queries: np.ndarray, pool: np.ndarray, norm: Norm = "l2") -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest row of a pool for each query; ties go to the first one.

    Args:
        queries: rows to look up, shape (n, ...), flattened.
        pool: rows to search, shape (m, ...), flattened; m > 0.
        norm: "l2" is the Euclidean distance, "linf" the largest absolute difference.

    Returns:
        The indices in the pool, shape (n,), and the distances, shape (n,), float64.

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
    """Return the median distance between two rows, over at most `PAIRED` evenly spaced ones.

    Args:
        rows: rows, shape (n, ...), flattened; at least two.
        norm: "l2" is the Euclidean distance, "linf" the largest absolute difference.

    Raises:
        ValueError: there are fewer than two rows.
    """
    from scipy.spatial.distance import pdist

    if len(rows) < 2:
        raise ValueError(f"a distance between rows needs two of them, got {len(rows)}")
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), PAIRED)).astype(int)]
    return float(np.median(pdist(some.reshape(len(some), -1), "euclidean" if norm == "l2" else "chebyshev")))
