"""Principal component analysis: the best linear code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Width
from veilbench.families.autoencoders.baselines.fitted import Fitted, flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector, Representation

if TYPE_CHECKING:
    from torch import Tensor


class Pca(Fitted, Representation, DifferentiableDetector):
    """Encodes rows by the first principal components; a row's score is its mean squared reconstruction error.

    No other linear code of the same size reconstructs the training rows with a lower squared error.

    Args:
        code: number of principal components, the length of a code.
    """

    array_names = ("mean", "components")

    def __init__(self, code: Width = 8) -> None:
        super().__init__()
        self.code = code

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"code": self.code}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the mean, shape (*shape), and the components, shape (code, features)."""
        from sklearn.decomposition import PCA

        x = flatten(rows.train.x)
        if self.code > min(x.shape):
            raise UserError(f"code={self.code} is too large: {len(x)} training rows of {x.shape[1]} values")
        pca = PCA(self.code, random_state=int(rng.integers(2**31))).fit(x)
        return {"mean": pca.mean_.reshape(rows.shape), "components": pca.components_}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"mean": row, "components": (self.code, math.prod(row))}

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, code), float32."""
        return self._encode(rows).astype(np.float32)

    def _encode(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(flatten(rows - self["mean"]) @ self["components"].T)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, code) to (n, *shape), float32."""
        return self._decode(codes).astype(np.float32)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return np.asarray((codes @ self["components"]).reshape(len(codes), *self["mean"].shape) + self["mean"])

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(flatten(self.feature_scores(rows)).sum(1))

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return squared errors divided by the number of values, which add up to the score."""
        return np.asarray((rows - self._decode(self._encode(rows))) ** 2 / self["mean"].size)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        import torch

        mean, components = (torch.from_numpy(self[name]).to(rows) for name in self.array_names)
        centred = rows.flatten(1) - mean.flatten()
        return (centred - centred @ components.T @ components).square().mean(1)
