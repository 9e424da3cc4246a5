"""BioHashing."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.errors import UserError
from veilbench.templates.base import BinaryScheme, orthonormal
from veilbench.templates.extractor import Extractor


class Biohash(BinaryScheme):
    """Signs of inner products with a user's orthonormal vectors (Teoh, Ngo and Goh 2004, "Biohashing: two factor
    authentication featuring fingerprint data and tokenised random number").

    A bit is 1 where the product is above the threshold.

    Args:
        extractor: see `TemplateScheme`.
        bits: of a template; at most the number of features, since the vectors are orthonormal.
        threshold: of the products.
    """  # noqa: D205

    own = ("bits", "threshold")

    def __init__(self, extractor: Extractor, bits: Annotated[int, Ge(1)] = 128, threshold: float = 0.0) -> None:
        super().__init__(extractor)
        self.bits, self.threshold = bits, threshold

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shape (n, bits), uint8."""
        if self.bits > features.shape[1]:
            raise UserError(f"bits={self.bits} must be at most {features.shape[1]}, the number of features")
        return np.asarray(features @ orthonormal(features.shape[1], self.bits, rng) > self.threshold, np.uint8)
