"""Restoration by thresholding of wavelet coefficients."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class Wavelet(TunedRestorer, FittedRestorer):
    """Soft thresholds on wavelet coefficients (BayesShrink of Chang et al. 2000), from scikit-image.

    The standard deviation of the noise that it assumes is the strength.
    """

    factors = (0.5, 0.75, 1.0, 1.25, 1.5)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from skimage.restoration import denoise_wavelet

        return np.asarray(denoise_wavelet(image, sigma=strength, rescale_sigma=True, channel_axis=0))
