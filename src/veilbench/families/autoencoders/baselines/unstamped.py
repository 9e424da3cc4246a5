"""Removal of a watermark whose text is known."""

from __future__ import annotations

import numpy as np

from veilbench.corruptions.watermark import Watermark, stamp
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.data.rows import Rows

OPAQUE = 1e-3  # smallest share of the image that must show through


class Unstamped(CorruptionRestorer):
    """Removes the known text at every possible position, and keeps the position with the smoothest result.

    The smoothest image is the one with the lowest total variation. If the position is right and no pixel is covered
    completely, the image is restored up to rounding. There are no parameters to tune.

    Args:
        corruption: watermark to remove; its text and opacity are used.
    """

    undoes = (Watermark,)

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no arrays: there is nothing to fit."""
        return {}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        ink = self._ink(rows.shape[2:])
        return np.stack([self._restore_image(image, ink) for image in rows]).astype(np.float32)

    def _ink(self, size: tuple[int, ...]) -> np.ndarray:
        """Return how much of each pixel the text covers, shape (h, w) of the text."""
        mark = self.corruption
        assert isinstance(mark, Watermark)  # ensured by the constructor
        return mark.opacity * stamp(mark.text, size[0], size[1])

    def _restore_image(self, image: np.ndarray, ink: np.ndarray) -> np.ndarray:
        """Restore one image, shape (c, h, w)."""
        best, lowest = image, np.inf
        for top in range(image.shape[1] - ink.shape[0] + 1):
            for left in range(image.shape[2] - ink.shape[1] + 1):
                place = (..., slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1]))
                candidate = image.copy()
                candidate[place] = (image[place] - ink) / np.maximum(1 - ink, OPAQUE)
                variation = sum(float(np.abs(np.diff(candidate, axis=axis)).sum()) for axis in (1, 2))
                if variation < lowest:
                    best, lowest = candidate, variation
        return best
