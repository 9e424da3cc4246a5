"""MLP-hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.bench.limits import Positive, Real, Width
from veilbench.families.templates.schemes.base import BinaryScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal


class MlpHash(BinaryScheme):
    """Binarised outputs of a user's random perceptron (Shahreza, Hahn and Marcel 2022, "MLP-Hash: protecting face
    templates via hashing of randomized multi-layer perceptron").

    Each layer is a random orthonormal matrix followed by an activation; the outputs of the last layer are thresholded
    to bits. This implementation uses the hyperbolic tangent; the paper was not available to check its activation.
    Another public implementation uses rectifiers in all layers, and the mean of the last products as the threshold. The
    products of a unit vector are near 0, where the tangent is nearly linear; `gain` scales them, and thus determines
    how nonlinear the layers are.

    Args:
        extractor: maps samples to feature vectors.
        hidden: units of each hidden layer.
        bits: number of bits of a template.
        gain: root mean square of the products before an activation; small values keep the layers nearly linear.
        threshold: value of the last products above which a bit is 1.
    """  # noqa: D205

    own_arguments = ("hidden", "bits", "gain", "threshold")

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

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the bits, shape (n, bits), uint8."""
        rows = features
        for width in self.hidden:
            rows = rows @ draw_orthonormal(rows.shape[1], width, rng)
            spread = np.sqrt((rows**2).mean(1, keepdims=True))
            rows = np.tanh(np.float32(self.gain) * rows / np.maximum(spread, 1e-12))
        return np.asarray(rows @ draw_orthonormal(rows.shape[1], self.bits, rng) > self.threshold, np.uint8)
