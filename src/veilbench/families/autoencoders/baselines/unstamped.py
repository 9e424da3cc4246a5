"""A watermark taken off by whoever knows its text."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.watermark import Watermark, stamp
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.data.rows import Rows

OPAQUE = 1e-3  # the least share of the image that has to show through


class Unstamped(CorruptionRestorer):
    """Takes the known text off at every place, and keeps the place where the smoothest image is left.

    The smoothest is the one of the least total variation. Where the place is right and nothing is painted over
    entirely, the image comes back but for rounding. There is nothing to tune.

    Args:
        corruption: the watermark, of which the text and the opacity are used.
    """

    undoes = (Watermark,)

    def learned(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no arrays: there is nothing to fit."""
        return {}

    def restored(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        ink = self._ink(rows.shape[2:])
        return np.stack([self._one(image, ink) for image in rows]).astype(np.float32)

    def _ink(self, size: tuple[int, ...]) -> np.ndarray:
        """How much of the text hides each pixel, at the place in the upper left corner."""
        mark = self.corruption
        assert isinstance(mark, Watermark)  # the constructor has seen to it
        return mark.opacity * stamp(mark.text, size[0], size[1])

    def _one(self, image: np.ndarray, ink: np.ndarray) -> np.ndarray:
        """One image, shape (c, h, w)."""
        best, least = image, np.inf
        for top in range(image.shape[1] - ink.shape[0] + 1):
            for left in range(image.shape[2] - ink.shape[1] + 1):
                place = (..., slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1]))
                tried = image.copy()
                tried[place] = (image[place] - ink) / np.maximum(1 - ink, OPAQUE)
                variation = sum(float(np.abs(np.diff(tried, axis=axis)).sum()) for axis in (1, 2))
                if variation < least:
                    best, least = tried, variation
        return best
