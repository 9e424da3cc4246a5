"""Deblurring by solving for the image."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.base import spoiled
from veilbench.corruptions.blur import Blur
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class LeastSquares(TunedRestorer, CorruptionRestorer):
    """Tikhonov's regularised least squares with the blur's own matrices, its border included.

    The blur of an image X is A X B^T. With the singular values of A and B it is inverted place by place, y to
    s y / (s^2 + w), s the product of two singular values (Hansen, Nagy and O'Leary 2006, chapter 6). The weight w is
    the strength. Where a blur has added no noise, what is left is the error of its rounding to float32.

    Args:
        corruption: blur to undo.
    """

    undoes = (Blur,)
    factors = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)

    def one(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        (left, down, back), (up, across, right) = (np.linalg.svd(self._matrix(side)) for side in image.shape[1:])
        values = np.outer(down, across)
        turned = left.T @ image.astype(np.float64) @ up
        return np.asarray(back.T @ (turned * values / (values**2 + strength)) @ right)

    def _matrix(self, side: int) -> np.ndarray:
        """What the blur does along one side, shape (side, side): it blurs a line wherever the bright pixel is."""
        dots = np.eye(side, dtype=np.float32).reshape(side, 1, side, 1).repeat(side, 3)
        return spoiled(self.corruption, dots, np.random.default_rng(0))[:, 0, :, 0].T.astype(np.float64)
