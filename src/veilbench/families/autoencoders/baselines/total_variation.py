"""Restoration that favours flat areas with sharp edges."""

from __future__ import annotations

import numpy as np

from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class TotalVariation(TunedRestorer, FittedRestorer):
    """Total variation denoising by Chambolle's algorithm (2004), from scikit-image; its weight is the strength."""

    factors = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from skimage.restoration import denoise_tv_chambolle

        return np.asarray(denoise_tv_chambolle(image, weight=strength, channel_axis=0))
