"""MLP-hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.bench.limits import Positive, Real, Width
from veilbench.families.templates.schemes.base import BinaryScheme, orthonormal
from veilbench.families.templates.schemes.extractor import Extractor


class MlpHash(BinaryScheme):
    """A user's random perceptron, and signs (Shahreza, Hahn and Marcel 2022, "MLP-Hash: protecting face templates via
    hashing of randomized multi-layer perceptron").

    Each layer is a random orthonormal matrix and an activation; the outputs of the last one are thresholded to bits. We
    had no access to the paper to check which activation it uses. This implementation uses the hyperbolic tangent
    (another
    public one uses rectifiers in all layers and the mean of the last products as the threshold); around 0, where a unit
    vector's products lie, it is nearly linear, so `gain` determines how far the layers are from linear.

    Args:
        extractor: maps images to feature vectors.
        hidden: units of each hidden layer.
        bits: number of bits of a template.
        gain: root mean square of the products before an activation; small values keep the layers nearly linear.
        threshold: value of the last products above which a bit is 1.
    """  # noqa: D205

    own = ("hidden", "bits", "gain", "threshold")

    def __init__(
        self,
        extractor: Extractor,
        hidden: Sequence[Width] = (256,),
        bits: Width = 128,
        gain: Positive = 1.0,
        threshold: Real = 0.0,
    ) -> None:
        if gain <= 0:
            raise ValueError(f"gain={gain} must be above 0")
        super().__init__(extractor)
        self.hidden, self.bits, self.gain, self.threshold = list(hidden), bits, gain, threshold

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the bits, shape (n, bits), uint8."""
        rows = features
        for width in self.hidden:
            rows = rows @ orthonormal(rows.shape[1], width, rng)
            spread = np.sqrt((rows**2).mean(1, keepdims=True))
            rows = np.tanh(np.float32(self.gain) * rows / np.maximum(spread, 1e-12))
        return np.asarray(rows @ orthonormal(rows.shape[1], self.bits, rng) > self.threshold, np.uint8)
