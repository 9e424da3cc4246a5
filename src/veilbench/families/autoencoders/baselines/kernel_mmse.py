"""The optimal restorer under a prior of the training images."""

from __future__ import annotations

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.families.autoencoders.baselines.fitted import flatten
from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.data.rows import Rows

AT_ONCE = 128  # images restored at once, to bound the memory


class KernelMmse(FittedRestorer):
    """Restores by the posterior mean, with the training images as a uniform prior.

    The result is a weighted mean of the training images, with weights softmax(-|y - x|^2 / (2 sigma^2)). It is hard to
    beat under strong noise; under weak noise it returns the nearest training image, however far that is. It stores the
    training images unchanged, so the model reveals the data.
    """

    array_names = ("rows",)

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the training images, shape (n, c, h, w)."""
        return {"rows": rows.train.x}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"rows": (None, *row)}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        from scipy.special import softmax

        known = flatten(self["rows"])
        half = (known**2).sum(1) / 2
        parts = []
        for start in range(0, len(rows), AT_ONCE):
            seen = flatten(rows[start : start + AT_ONCE])
            parts.append(softmax((seen @ known.T - half) / self.sigma**2, axis=1) @ known)  # |y|^2 cancels
        return np.concatenate(parts).reshape(rows.shape).astype(np.float32)
