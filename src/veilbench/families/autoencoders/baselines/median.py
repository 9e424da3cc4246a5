"""Restoration by the middle value of the neighbours."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class Median(TunedRestorer, CorruptionRestorer):
    """The median of a square window around each pixel, channel by channel; the window's side is the strength.

    Beyond the border the image goes on as its outermost pixels.

    Args:
        corruption: any; it is classical against salt and pepper.
    """

    factors = (3, 5, 7)

    def one(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from scipy.ndimage import median_filter

        side = round(strength)
        return np.asarray(median_filter(image, size=(1, side, side), mode="nearest"))
