"""Deblurring by maximum likelihood for Poisson counts."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.base import corrupt_array
from veilbench.corruptions.blur import REACH, Blur
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.tuned_restorer import TunedRestorer

SMALLEST = 1e-6  # lower bound of the divisor


class RichardsonLucy(TunedRestorer, CorruptionRestorer):
    """Richardson-Lucy deconvolution (Richardson 1972, Lucy 1974), from scikit-image, with the true kernel.

    The number of iterations is the strength. The image is padded with its outermost pixels by the width of the kernel;
    beyond that scikit-image assumes black, so a faint frame appears after many iterations.

    Args:
        corruption: blur that the iterations undo.
    """

    undoes = (Blur,)
    factors = (5, 10, 20, 40, 80, 160)

    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w), with a given strength."""
        from skimage.restoration import richardson_lucy

        psf = blur_kernel(self.corruption)
        pad, keep = len(psf), (slice(len(psf), -len(psf)),) * 2
        settings = {"num_iter": round(strength), "clip": False, "filter_epsilon": SMALLEST}
        return np.stack([richardson_lucy(np.pad(x, pad, "edge"), psf, **settings)[keep] for x in image])


def blur_kernel(blur: object) -> np.ndarray:
    """Return a blur's kernel, its response to a single bright pixel; shape (side, side), odd.

    Raises:
        TypeError: the argument is not a blur.
    """
    if not isinstance(blur, Blur):
        raise TypeError(f"{type(blur).__name__} has no kernel")
    side = 2 * max(1, int(REACH * blur.sigma + 0.5)) + 1
    dot = np.zeros((1, 1, side, side), np.float32)
    dot[..., side // 2, side // 2] = 1
    return np.asarray(corrupt_array(blur, dot, np.random.default_rng(0))[0, 0], np.float64)
