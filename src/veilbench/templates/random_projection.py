"""Multispace random projection."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.templates.base import TemplateScheme
from veilbench.templates.extractor import Extractor


class RandomProjection(TemplateScheme):
    """Features times a user's Gaussian matrix (Teoh and Yuang 2007, "Cancelable biometrics realization with multispace
    random projections").

    Entries have variance 1 / dimensions, so that lengths and angles are kept on average. With as many dimensions as
    features or more, whoever knows the key has the features.

    Args:
        extractor: see `TemplateScheme`.
        dimensions: of a template.
    """  # noqa: D205

    own = ("dimensions",)

    def __init__(self, extractor: Extractor, dimensions: Annotated[int, Ge(1)] = 64) -> None:
        super().__init__(extractor)
        self.dimensions = dimensions

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shape (n, dimensions), float32."""
        matrix = rng.standard_normal((features.shape[1], self.dimensions), np.float32)
        return np.asarray(features @ matrix / np.sqrt(np.float32(self.dimensions)))
