"""A code that reveals everything, but not to a linear attacker."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.pca import Pca


class FoldedCode(Pca):
    """The code holds the absolute value and the sign of each principal component.

    A component is the product of the two, so linear regression recovers only part of it, while a perceptron can learn
    it: the positive control of inversion by nonlinear attackers.

    Args:
        code: number of components; the code is twice as long.
    """

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, 2 code), float32: absolute values, then signs."""
        codes = super().encode(rows)
        return np.hstack([np.abs(codes), np.sign(codes)])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, 2 code) to (n, *shape), float32."""
        sizes, signs = np.split(codes, 2, axis=1)
        return super().decode(sizes * signs)
