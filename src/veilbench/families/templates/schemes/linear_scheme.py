"""Schemes that multiply features by a user's matrix, and therefore have gradients."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

if TYPE_CHECKING:
    from torch import Tensor


class LinearScheme(DifferentiableScheme):
    """A scheme that multiplies features by a user's matrix; subclasses may post-process the products.

    Args:
        extractor: maps samples to feature vectors.
    """

    @abstractmethod
    def matrix(self, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the user's matrix, shape (width, numbers), float32.

        Args:
            width: number of features of an image.
            rng: source of all random numbers, seeded with the user's key.
        """

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the products, shape (n, numbers), float32."""
        return np.asarray(features @ self.matrix(features.shape[1], rng))

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return templates of features under the users' keys; differentiable."""
        import torch

        matrices = np.stack([_cached_matrix(self, features.shape[1], int(key)) for key in keys])
        return torch.bmm(features[:, None], torch.from_numpy(matrices).to(features))[:, 0]


@lru_cache(maxsize=128)
def _cached_matrix(scheme: LinearScheme, width: int, key: int) -> np.ndarray:
    """Return a user's matrix; cached, because gradient searches use the same matrices repeatedly."""
    return scheme.matrix(width, np.random.default_rng(key))
