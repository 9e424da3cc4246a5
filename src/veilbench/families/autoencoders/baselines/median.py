"""Restoration by a median filter."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class Median(TunedRestorer, CorruptionRestorer):
    """Computes the median of a square window around each pixel, by channel; the window's side is the strength.

    At the border the image is padded with its outermost pixels.

    Args:
        corruption: corruption to undo, of any class; the classical use is salt and pepper.
    """

    factors = (3, 5, 7)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from scipy.ndimage import median_filter

        side = round(strength)
        return np.asarray(median_filter(image, size=(1, side, side), mode="nearest"))
