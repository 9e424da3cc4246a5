"""Principal components: the linear autoencoder with the least squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge

from veilbench.representations.base import DifferentiableDetector, Representation

if TYPE_CHECKING:
    from torch import Tensor


class Pca(Representation, DifferentiableDetector):
    """Codes a row by its first principal components; its score is the mean squared reconstruction error.

    Args:
        code: components.
    """

    def __init__(self, code: Annotated[int, Ge(1)] = 16) -> None:
        self.code = code
        self.mean = np.zeros(0, np.float32)
        self.axes = np.zeros((0, 0), np.float32)

    def fit(self, data: Any, rng: np.random.Generator) -> Pca:
        """Takes the mean row and the axes of the training rows."""
        made, x = Pca(self.code), data.train.x
        made.mean = x.mean(0)
        _, _, axes = np.linalg.svd((x - made.mean).reshape(len(x), -1), full_matrices=False)
        made.axes = axes[: self.code]
        return made

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """See `Representation.encode`."""
        return np.asarray((rows - self.mean).reshape(len(rows), -1) @ self.axes.T, dtype=np.float32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """See `Representation.decode`."""
        return np.asarray((codes @ self.axes).reshape(len(codes), *self.mean.shape) + self.mean, dtype=np.float32)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """See `Detector.score`."""
        return np.asarray(((rows - self.reconstruct(rows)).reshape(len(rows), -1).astype(np.float64) ** 2).mean(1))

    def score_tensor(self, rows: Tensor) -> Tensor:
        """See `DifferentiableDetector.score_tensor`."""
        axes, centred = rows.new_tensor(self.axes), (rows - rows.new_tensor(self.mean)).flatten(1)
        return ((centred - centred @ axes.T @ axes) ** 2).mean(1)

    def settings(self) -> dict[str, Any]:
        """The number of components."""
        return {"code": self.code}

    def arrays(self) -> dict[str, np.ndarray]:
        """The mean row and the axes."""
        return {"mean": self.mean, "axes": self.axes}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Pca:
        """See `Subject.restore`."""
        made = cls(**settings)
        made.mean, made.axes = arrays["mean"], arrays["axes"]
        return made
