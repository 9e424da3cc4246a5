"""Probabilistic principal component analysis: a distance with whitened components."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import LARGEST_VALUE
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 1e-6  # smallest variance of a direction, relative to the mean variance of a feature


class ProbabilisticPca(Fitted, DifferentiableDetector):
    """Scores rows by the squared Mahalanobis distance of probabilistic PCA (Tipping and Bishop 1999).

    Each principal component is divided by its standard deviation, and the residual by that of the remaining directions.
    `Pca`, in contrast, ignores how far a row lies from the mean along the components. The number of components is the
    power of two with the highest likelihood of the validation rows, which are all normal.
    """

    array_names = ("mean", "components", "variances")

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return mean (*shape), components (k, features) and variances (k + 1,), the last one of the residual.

        Raises:
            UserError: there are too few training rows or features.
        """
        from sklearn.decomposition import PCA

        x, held_out, seed = flatten(rows.train.x), flatten(rows.validation.x), int(rng.integers(2**31))
        most = min(len(x) - 1, x.shape[1] - 1)
        if most < 1 or not x.var(0).any():
            raise UserError(f"probabilistic PCA needs 2 features and rows that vary, got {len(x)} of {x.shape[1]}")
        sizes = [2**power for power in range(most.bit_length())]
        fitted = [PCA(size, random_state=seed).fit(x) for size in sizes]
        smallest = SMALLEST * float(x.var(0).mean())
        for model in fitted:  # a likelihood needs positive variances
            model.explained_variance_ = np.maximum(model.explained_variance_, 2 * smallest)
            model.noise_variance_ = max(model.noise_variance_, smallest)
        best = max(fitted, key=lambda model: model.score(held_out))
        variances = np.append(best.explained_variance_, best.noise_variance_)
        return {"mean": best.mean_.reshape(rows.shape), "components": best.components_, "variances": variances}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"mean": row, "components": (None, math.prod(row))}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array is not as `fit_arrays` makes it."""
        super().check_arrays(row)
        shape = (len(self["components"]) + 1,)
        tiny = float(np.finfo(float).tiny)
        require_array(self.fitted_arrays, "variances", np.floating, shape, low=tiny, high=LARGEST_VALUE)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        centred, variances = flatten(rows - self["mean"]), self["variances"]
        codes = centred @ self["components"].T
        residual = centred - codes @ self["components"]
        return np.asarray((codes**2 / variances[:-1]).sum(1) + (residual**2).sum(1) / variances[-1])

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        import torch

        mean, components, variances = (torch.from_numpy(self[name]).to(rows) for name in self.array_names)
        centred = rows.flatten(1) - mean.flatten()
        codes = centred @ components.T
        residual = centred - codes @ components
        return (codes.square() / variances[:-1]).sum(1) + residual.square().sum(1) / variances[-1]
