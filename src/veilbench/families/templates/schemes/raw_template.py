"""Unprotected features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

if TYPE_CHECKING:
    from torch import Tensor


class RawTemplate(DifferentiableScheme):
    """Stores the features unchanged. With the extractor `pixels`, the template is the image."""

    keyed = False

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the features unchanged."""
        return features.copy()

    def features_tensor(self, samples: Tensor) -> Tensor:
        """Return features of samples, shape (n, ...) to (n, d); differentiable."""
        return self.extractor.extract_tensor(samples)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return the features unchanged."""
        return features

    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the cosine of templates row by row, shape (n,)."""
        import torch

        return torch.cosine_similarity(a, b, dim=1)
