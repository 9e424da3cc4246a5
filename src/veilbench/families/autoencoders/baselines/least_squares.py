"""Deblurring by regularised least squares."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.base import corrupt_array
from veilbench.corruptions.blur import Blur
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class LeastSquares(TunedRestorer, CorruptionRestorer):
    """Tikhonov-regularised least squares with the matrices of the blur, including its border.

    The blur of an image X is A X B^T. With the singular values of A and B it is inverted element by element, y to s y /
    (s^2 + w), where s is the product of two singular values (Hansen, Nagy and O'Leary 2006, chapter 6). The weight w is
    the strength. If the blur has added no noise, the only error left is that of rounding to float32.

    Args:
        corruption: blur that the filter undoes.
    """

    undoes = (Blur,)
    factors = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        (left, down, back), (up, across, right) = (np.linalg.svd(self._matrix(side)) for side in image.shape[1:])
        values = np.outer(down, across)
        rotated = left.T @ image.astype(np.float64) @ up
        return np.asarray(back.T @ (rotated * values / (values**2 + strength)) @ right)

    def _matrix(self, side: int) -> np.ndarray:
        """Return the blur's matrix along one side, shape (side, side), from its response to bright lines."""
        dots = np.eye(side, dtype=np.float32).reshape(side, 1, side, 1).repeat(side, 3)
        return corrupt_array(self.corruption, dots, np.random.default_rng(0))[:, 0, :, 0].T.astype(np.float64)
