"""Deblurring in the frequency domain."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.blur import Blur
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.richardson_lucy import blur_kernel
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer


class WienerDeconvolution(TunedRestorer, CorruptionRestorer):
    """Wiener-Hunt deconvolution (Hunt 1971), from scikit-image, with the true kernel.

    The weight of the smoothness term is the strength. At the border the image is mirrored, which is not exactly what
    the blur assumes.

    Args:
        corruption: blur that the filter undoes.
    """

    undoes = (Blur,)
    factors = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from skimage.restoration import wiener

        psf, (high, wide) = blur_kernel(self.corruption), image.shape[1:]
        wider = [np.pad(x, ((0, high), (0, wide)), "symmetric").astype(np.float64) for x in image]  # no jumps
        return np.stack([wiener(x, psf, strength, clip=False)[:high, :wide] for x in wider])
