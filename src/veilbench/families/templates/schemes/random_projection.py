"""Multispace random projection."""

from __future__ import annotations

import numpy as np

from veilbench.bench.limits import Width, require_room
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.linear_scheme import LinearScheme


class RandomProjection(LinearScheme):
    """Features times a user's Gaussian matrix (Teoh and Yuang 2007, "Cancelable biometrics realization with multispace
    random projections").

    Entries have variance 1 / dimensions, so that lengths and angles are preserved on average. If there are at
    least as many dimensions as features, the features can be computed from template and key.

    Args:
        extractor: maps samples to feature vectors.
        dimensions: numbers in a template.
    """  # noqa: D205

    own_arguments = ("dimensions",)

    def __init__(self, extractor: Extractor, dimensions: Width = 64) -> None:
        super().__init__(extractor)
        self.dimensions = dimensions

    def matrix(self, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the user's Gaussian matrix, shape (features, dimensions), float32."""
        require_room(f"projections to dimensions={self.dimensions}", width, self.dimensions)
        normal = rng.standard_normal((width, self.dimensions), np.float32)
        return np.asarray(normal / np.sqrt(np.float32(self.dimensions)))
