"""Inpainting of missing pixels from their surroundings."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.missing_blocks import MissingBlocks
from veilbench.corruptions.salt_and_pepper import SaltAndPepper
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.data.rows import Rows


class Biharmonic(CorruptionRestorer):
    """Biharmonic inpainting (Damelin and Hoang 2018), from scikit-image, of every pixel that looks corrupted.

    Corrupted pixels are assumed to be those that are 0 in all channels and, for salt and pepper, also those that are 1.
    Pixels that were black or white in the original are therefore inpainted too. There are no parameters to tune.

    Args:
        corruption: corruption to undo: missing blocks, or salt and pepper.
    """

    undoes = (MissingBlocks, SaltAndPepper)

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no arrays: there is nothing to fit."""
        return {}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        return np.stack([self._restore_image(image) for image in rows]).astype(np.float32)

    def _restore_image(self, image: np.ndarray) -> np.ndarray:
        """Restore one image, shape (c, h, w)."""
        from skimage.restoration import inpaint_biharmonic

        holes = (image == 0).all(0)
        if isinstance(self.corruption, SaltAndPepper):
            holes |= (image == 1).all(0)
        if not holes.any() or holes.all():
            return image
        return np.asarray(inpaint_biharmonic(image, holes, split_into_regions=True, channel_axis=0))
