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

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return the features unchanged."""
        return features
