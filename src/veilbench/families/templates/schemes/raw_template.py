"""The features as they are: no protection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

if TYPE_CHECKING:
    from torch import Tensor


class RawTemplate(DifferentiableScheme):
    """Keeps the features themselves. With pixels as features, whoever has the template has the image."""

    keyed = False

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The features."""
        return features.copy()

    def features_tensor(self, images: Tensor) -> Tensor:
        """See `DifferentiableScheme`."""
        return self.extractor.tensor(images)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """The features."""
        return features

    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """The cosine, row by row."""
        import torch

        return torch.cosine_similarity(a, b, dim=1)
