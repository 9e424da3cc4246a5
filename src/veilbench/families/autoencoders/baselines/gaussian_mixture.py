"""A mixture of normal distributions, fitted to the training rows."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.limits import LARGEST_PRECISION
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector

if TYPE_CHECKING:
    import sklearn.mixture

COMPONENTS = (1, 2, 4, 8)
SMOOTHING = (1e-3, 1e-2, 1e-1)  # added to the variances, relative to the mean variance of a feature
FITTED_TO = 5_000  # training rows that are used at most


class GaussianMixture(Fitted, Detector):
    """Scores rows by their negative log-likelihood under a Gaussian mixture with full covariances.

    The number of components and the variance added to each feature are those with the highest likelihood of the
    validation rows, which are all normal.
    """

    array_names = ("weights", "means", "factors")

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return weights (k,), means (k, features) and Cholesky factors of the precisions (k, features, features)."""
        from sklearn.mixture import GaussianMixture as Mixture

        x = flatten(rows.train.x)
        x, held_out = x[np.sort(rng.permutation(len(x))[:FITTED_TO])], flatten(rows.validation.x)
        spread, seed = float(x.var(0).mean()) or 1.0, int(rng.integers(2**31))
        fitted = [
            Mixture(components, reg_covar=smoothing * spread, random_state=seed).fit(x)
            for components, smoothing in product(COMPONENTS, SMOOTHING)
            if components <= len(x) // 2 or components == 1
        ]
        best = max(fitted, key=lambda mixture: mixture.score(held_out))
        return {"weights": best.weights_, "means": best.means_, "factors": best.precisions_cholesky_}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"weights": (None,), "means": (None, math.prod(row))}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array is not as `fit_arrays` makes it."""
        super().check_arrays(row)
        components, size = len(self["weights"]), math.prod(row)
        require_array(self.fitted_arrays, "means", np.floating, (components, size))
        most = LARGEST_PRECISION
        require_array(self.fitted_arrays, "factors", np.floating, (components, size, size), low=-most, high=most)
        tiny = float(np.finfo(float).tiny)
        require_array(self.fitted_arrays, "weights", np.floating, (components,), low=tiny, high=1)
        if not (np.diagonal(self["factors"], axis1=1, axis2=2) > 0).all():
            raise ValueError("factors has diagonal values that are not positive")

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(-self._mixture().score_samples(flatten(rows)))

    def _mixture(self) -> sklearn.mixture.GaussianMixture:
        """Return scikit-learn's model with the fitted arrays."""
        from sklearn.mixture import GaussianMixture as Mixture

        made = Mixture(len(self["weights"]))
        made.weights_, made.means_, made.precisions_cholesky_ = (self[name] for name in self.array_names)
        made.covariances_ = np.empty((0,))  # not used by `score_samples`; its presence marks the model as fitted
        return made
