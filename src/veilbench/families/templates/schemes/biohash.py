"""BioHashing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Real, Width
from veilbench.families.templates.schemes.base import BinaryScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.linear_scheme import LinearScheme
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal

if TYPE_CHECKING:
    from torch import Tensor


class Biohash(BinaryScheme, LinearScheme):
    """Signs of inner products with a user's orthonormal vectors (Teoh, Ngo and Goh 2004, "Biohashing: two factor
    authentication featuring fingerprint data and tokenised random number").

    A bit is 1 if the product is above the threshold.

    Args:
        extractor: maps samples to feature vectors.
        bits: number of bits of a template; at most the number of features, because the vectors are orthonormal.
        threshold: value of the inner product above which a bit is 1.
    """  # noqa: D205

    own_arguments = ("bits", "threshold")

    def __init__(self, extractor: Extractor, bits: Width = 128, threshold: Real = 0.0) -> None:
        super().__init__(extractor)
        self.bits, self.threshold = bits, threshold

    def matrix(self, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the user's orthonormal vectors as columns, shape (features, bits)."""
        if self.bits > width:
            raise UserError(f"model.bits={self.bits} must be at most {width}, the number of features")
        return draw_orthonormal(width, self.bits, rng)

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the bits, shape (n, bits), uint8."""
        return np.asarray(features @ self.matrix(features.shape[1], rng) > self.threshold, np.uint8)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return bits whose gradient is that of the inner products."""
        products = super().protect_tensor(features, keys)
        return products + ((products > self.threshold).to(products) - products).detach()

    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the share of equal bits row by row, interpolated between bits; differentiable."""
        return 1 - (a - b).pow(2).mean(1)
