"""Inpainting of missing pixels from their surroundings."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.missing_blocks import MissingBlocks
from veilbench.corruptions.salt_and_pepper import SaltAndPepper
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.data.rows import Rows


class Biharmonic(CorruptionRestorer):
    """Biharmonic inpainting (Damelin and Hoang 2018), from scikit-image, of every pixel that looks corrupted.

    The corrupted positions are not given: they are taken to be the pixels that are 0 in all channels and, for salt and
    pepper, those that are 1. Pixels that were black or white in the original are inpainted too. Nothing is tuned.

    Args:
        corruption: corruption to undo: missing blocks, or salt and pepper.
    """

    undoes = (MissingBlocks, SaltAndPepper)

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no arrays: there is nothing to fit."""
        return {}

    def restored(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        return np.stack([self._one(image) for image in rows]).astype(np.float32)

    def _one(self, image: np.ndarray) -> np.ndarray:
        """Restore one image, shape (c, h, w)."""
        from skimage.restoration import inpaint_biharmonic

        holes = (image == 0).all(0)
        if isinstance(self.corruption, SaltAndPepper):
            holes |= (image == 1).all(0)
        if not holes.any() or holes.all():
            return image
        return np.asarray(inpaint_biharmonic(image, holes, split_into_regions=True, channel_axis=0))
