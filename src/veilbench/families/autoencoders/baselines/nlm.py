"""Restoration by similar patches of the same image."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer

PATCH, DISTANCE = 5, 6


class Nlm(TunedRestorer, FittedRestorer):
    """Non-local means (Buades et al. 2005), from scikit-image; the decay of its weights is the strength."""

    factors = (0.4, 0.6, 0.8, 1.0, 1.3)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from skimage.restoration import denoise_nl_means

        settings = {"patch_size": PATCH, "patch_distance": DISTANCE, "sigma": self.sigma, "fast_mode": True}
        if len(image) == 1:  # with a channel axis of length 1, scikit-image 0.26 returns the image transposed
            return np.asarray(denoise_nl_means(image[0], h=strength, **settings))
        return np.asarray(denoise_nl_means(image, h=strength, channel_axis=0, **settings))
