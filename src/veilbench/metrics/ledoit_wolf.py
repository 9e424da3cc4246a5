"""Covariance estimate with shrinkage, which makes it invertible."""

from __future__ import annotations

import numpy as np

AT_ONCE = 2**16  # rows per block in double precision, to bound the memory


def ledoit_wolf(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate the mean, the covariance shrunk towards a multiple of the unit matrix, and its inverse, all float64.

    The shrinkage is the optimal one of Ledoit and Wolf (2004, lemmas 3.2 to 3.4). The result equals scikit-learn's
    `LedoitWolf`, in O(n p^2 + p^3), but with torch's linear algebra: a process with one torch thread uses one thread
    here too, while separate BLAS threads would compete on such small matrices.

    Args:
        rows: data, shape (n, p), n > 0.

    Returns:
        Mean, covariance and inverse covariance, shapes (p,), (p, p) and (p, p).
    """
    import torch

    n, p = rows.shape
    mean, covariance, fourth = rows.mean(0, dtype=np.float64), torch.zeros(p, p, dtype=torch.float64), 0.0
    for start in range(0, n, AT_ONCE):
        centred = torch.from_numpy(rows[start : start + AT_ONCE] - mean)
        covariance += centred.T @ centred / n
        fourth += float(((centred**2).sum(1) ** 2).sum()) / n
    target = torch.eye(p, dtype=torch.float64) * covariance.trace() / p
    away = float(((covariance - target) ** 2).sum())
    noise = (fourth - float((covariance**2).sum())) / n  # estimation error of the covariance
    share = min(max(noise / away, 0.0), 1.0) if away > 0 else 0.0
    shrunk = (1 - share) * covariance + share * target
    return mean, shrunk.numpy(), torch.linalg.pinv(shrunk, hermitian=True).numpy()
