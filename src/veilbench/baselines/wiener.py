"""The best linear restoration of patches."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from veilbench.baselines.fitted_restorer import FittedRestorer
from veilbench.data.rows import Rows

MOST_PATCHES = 50_000


class Wiener(FittedRestorer):
    """Linear least squares from noisy patches to clean ones, averaged where patches overlap.

    With the mean m and the covariance C of the clean patches of the training images, y goes to
    m + C (C + sigma^2 I)^-1 (y - m). No other affine map of a patch has less expected squared error.

    Args:
        sigma: see `FittedRestorer`.
        patch: side of the patches, in pixels; on smaller images the shorter side.
    """

    names = ("mean", "map", "side")

    def __init__(self, sigma: float = 0.1, patch: Annotated[int, Ge(1)] = 8) -> None:
        super().__init__(sigma)
        self.patch = patch

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"sigma": self.sigma, "patch": self.patch}

    def learned(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The mean patch, shape (c, side, side), the map, shape (values, values), and the side, shape (1,)."""
        images, side = rows.train.x, min(self.patch, *rows.shape[1:])
        windows = _windows(images, side)
        if (count := int(np.prod(windows.shape[:3]))) > MOST_PATCHES:
            chosen = np.unravel_index(rng.choice(count, MOST_PATCHES, replace=False), windows.shape[:3])
            windows = windows[chosen]
        clean = windows.reshape(-1, rows.shape[0] * side * side).astype(np.float64)
        mean = clean.mean(0)
        covariance = (clean - mean).T @ (clean - mean) / len(clean)
        noisy = covariance + self.sigma**2 * np.eye(len(mean))
        return {
            "mean": mean.reshape(rows.shape[0], side, side),
            "map": np.linalg.solve(noisy, covariance),
            "side": np.array([side]),
        }

    def restored(self, rows: np.ndarray) -> np.ndarray:
        """See `Restorer.restored`."""
        return np.concatenate([self._one(image[None]) for image in rows]).astype(np.float32)

    def _one(self, image: np.ndarray) -> np.ndarray:
        """One image, shape (1, c, h, w); one at a time, since its patches take side^2 times its memory."""
        side = int(self["side"][0])
        windows = _windows(image, side)
        centred = (windows - self["mean"]).reshape(-1, self["mean"].size)
        estimates = (centred @ self["map"]).reshape(windows.shape) + self["mean"]
        total, times = np.zeros(image.shape), np.zeros(image.shape[2:])
        down, across = windows.shape[1:3]
        for top in range(side):
            for left in range(side):
                place = (slice(top, top + down), slice(left, left + across))
                total[:, :, *place] += estimates[..., top, left].transpose(0, 3, 1, 2)
                times[place] += 1
        return np.asarray(total / times)


def _windows(images: np.ndarray, side: int) -> np.ndarray:
    """Shape (n, c, h, w) to all patches, (n, h - side + 1, w - side + 1, c, side, side), without copying."""
    patches = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(2, 3))
    return np.asarray(patches.transpose(0, 2, 3, 1, 4, 5))
