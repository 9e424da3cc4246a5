"""Schemes that multiply features with a user's matrix, and so have gradients."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

if TYPE_CHECKING:
    from torch import Tensor


class LinearScheme(DifferentiableScheme):
    """A user's matrix, and perhaps something simple after it.

    Args:
        extractor: see `TemplateScheme`.
    """

    @abstractmethod
    def matrix(self, width: int, rng: np.random.Generator) -> np.ndarray:
        """The user's matrix, shape (features, numbers), float32; everything random comes from `rng`."""

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shape (n, numbers), float32."""
        return np.asarray(features @ self.matrix(features.shape[1], rng))

    def features_tensor(self, images: Tensor) -> Tensor:
        """See `DifferentiableScheme`."""
        return self.extractor.tensor(images)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """See `DifferentiableScheme`."""
        import torch

        drawn = np.stack([_matrix(self, features.shape[1], int(key)) for key in keys])
        return torch.bmm(features[:, None], torch.from_numpy(drawn).to(features))[:, 0]

    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """The cosine, row by row."""
        import torch

        return torch.cosine_similarity(a, b, dim=1)


@lru_cache(maxsize=128)
def _matrix(scheme: LinearScheme, width: int, key: int) -> np.ndarray:
    """Remembered, because a search by gradients asks for the same ones again and again."""
    return scheme.matrix(width, np.random.default_rng(key))
