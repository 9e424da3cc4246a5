"""What an attacker knows of features before they see a template."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.schemes.base import normalise

TINY = 1e-9  # share of the prior's mean variance that is added to every direction


class Prior:
    """Normal distribution fitted to auxiliary features.

    Args:
        features: auxiliary features, shape (n, d).
    """

    def __init__(self, features: np.ndarray) -> None:
        x = features.astype(np.float64)
        self.mean, covariance = x.mean(0), np.cov(x.T).reshape(x.shape[1], x.shape[1])
        floor = max(TINY, 1e-3 / len(x)) * float(np.trace(covariance)) / x.shape[1] + 1e-300
        self.covariance = covariance + floor * np.eye(x.shape[1])

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw features from the distribution, scaled to length 1, shape (n, d)."""
        root = np.linalg.cholesky(self.covariance)
        return normalise(self.mean + rng.standard_normal((n, len(self.mean))) @ root.T)

    def posterior_mean(self, matrix: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Return the posterior mean of the features given `features @ matrix`, shape (n, numbers) to (n, d).

        If the products determine the features, the prior has no effect.
        """
        spread = self.covariance @ matrix
        gain = np.linalg.lstsq(matrix.T @ spread, spread.T, rcond=1e-10)[0]
        return np.asarray(self.mean + (products - self.mean @ matrix) @ gain)
