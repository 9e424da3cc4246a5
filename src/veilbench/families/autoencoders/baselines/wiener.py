"""The best linear restoration of patches."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.bench.limits import Count, Positive
from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.data.rows import Rows

MOST_PATCHES, STRIP = 50_000, 64  # training patches; lines of patches restored at once, to bound the memory
WHOLE, OTHERWISE = 1024, 8  # most values of an image treated as one patch; side of patches otherwise


class Wiener(FittedRestorer):
    """Linear least squares from noisy patches to clean ones, averaged where patches overlap.

    With the mean m and the covariance C of the clean patches of the training images, y goes to
    m + C (C + sigma^2 I)^-1 (y - m). No other affine map of a patch has less expected squared error.

    Args:
        sigma: standard deviation of the noise, in the units of the images.
        patch: side of the square patches, in pixels, at most that of the image. None uses the whole image as one patch
            if it has at most 1,024 values and there are at least twice as many training images, enough to estimate its
            covariance; otherwise patches of 8 x 8 pixels.
    """

    array_names = ("mean", "map")

    def __init__(self, sigma: Positive = 0.1, patch: Count | None = None) -> None:
        super().__init__(sigma)
        self.patch = patch

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"sigma": self.sigma, "patch": self.patch}

    def _side(self, images: np.ndarray) -> tuple[int, int]:
        """Return height and width of the patches."""
        (count, *_, height, width), values = images.shape, images[0].size
        if self.patch is None and values <= WHOLE and count >= 2 * values:
            return height, width
        side = self.patch or OTHERWISE
        return min(side, height), min(side, width)

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the mean patch, shape (c, height, width), and the map, shape (values, values)."""
        high, wide = self._side(rows.train.x)
        windows = _windows(rows.train.x, high, wide)
        if (count := int(np.prod(windows.shape[:3]))) > MOST_PATCHES:
            chosen = np.unravel_index(rng.choice(count, MOST_PATCHES, replace=False), windows.shape[:3])
            windows = windows[chosen]
        clean = windows.reshape(-1, rows.shape[0] * high * wide).astype(np.float64)
        mean = clean.mean(0)
        covariance = (clean - mean).T @ (clean - mean) / len(clean)
        noisy = covariance + self.sigma**2 * np.eye(len(mean))
        return {
            "mean": mean.reshape(rows.shape[0], high, wide),
            "map": np.linalg.solve(noisy, covariance),
        }

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"mean": (row[0], None, None), "map": (self["mean"].size, self["mean"].size)}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        super().check_arrays(row)
        if not all(1 <= side <= most for side, most in zip(self["mean"].shape[1:], row[1:], strict=True)):
            raise ValueError(f"mean has shape {list(self['mean'].shape)}, a patch of {list(row)} is needed")

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        return np.concatenate([self._restore_image(image[None]) for image in rows]).astype(np.float32)

    def _restore_image(self, image: np.ndarray) -> np.ndarray:
        """Restore one image, shape (1, c, h, w)."""
        total, times = np.zeros(image.shape), np.zeros(image.shape[2:])
        high = self["mean"].shape[1]
        for start in range(0, image.shape[2] - high + 1, STRIP):
            strip = (..., slice(start, start + STRIP + high - 1), slice(None))
            self._add(image[strip], total[strip], times[strip])
        return np.asarray(total / times)

    def _add(self, image: np.ndarray, total: np.ndarray, times: np.ndarray) -> None:
        """Add every patch's estimate to `total` at its position, and 1 to `times` at each of its pixels."""
        high, wide = self["mean"].shape[1:]
        windows = _windows(image, high, wide)
        centred = (windows - self["mean"]).reshape(-1, self["mean"].size)
        estimates = (centred @ self["map"]).reshape(windows.shape) + self["mean"]
        down, across = windows.shape[1:3]
        for top in range(high):
            for left in range(wide):
                place = (slice(top, top + down), slice(left, left + across))
                total[:, :, *place] += estimates[..., top, left].transpose(0, 3, 1, 2)
                times[place] += 1


def _windows(images: np.ndarray, high: int, wide: int) -> np.ndarray:
    """Return all patches of images, (n, c, h, w) to (n, h - high + 1, w - wide + 1, c, high, wide), as a view."""
    patches = np.lib.stride_tricks.sliding_window_view(images, (high, wide), axis=(2, 3))
    return np.asarray(patches.transpose(0, 2, 3, 1, 4, 5))
