"""Ridges of a finger: noise, filtered repeatedly along the orientation field until it forms lines.

Line endings and forks (minutiae) emerge at random positions, as in SFinGe.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from veilbench.families.templates.data.prints.fields import Anatomy, ridge_orientation, ridge_period

# Side of a master print in pixels, and half its side in finger coordinates. It is larger than the sensor (1), because
# fingers move between impressions.
PIXELS, EXTENT = 128, 4 / 3
DENSITIES = ("low", "medium", "high")
PERIODS = (8.2, 6.7, 5.5)  # ridge distance in pixels of the master print, per density
DIRECTIONS, WIDTHS = 36, np.arange(4.4, 10.8, 0.2)  # orientations and ridge distances of the kernels
RADIUS, ROUNDS, GAIN = 8, 10, 3.0  # of a kernel in pixels; number of filter passes; sum of a kernel's absolute values


@cache
def gabor_kernels() -> np.ndarray:
    """Return Gabor-like kernels with zero mean, shape (len(WIDTHS) * DIRECTIONS, k, k), float32."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    x, y = np.meshgrid(offsets, -offsets)
    kernels = []
    for width in WIDTHS:
        for angle in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
            across = y * np.cos(angle) - x * np.sin(angle)
            bell = np.exp(-(x**2 + y**2) / (2 * (0.4 * width) ** 2))
            wave = bell * np.cos(2 * np.pi * across / width)
            wave -= bell * wave.sum() / bell.sum()
            kernels.append(GAIN * wave / np.abs(wave).sum())
    return np.asarray(kernels, np.float32)


def pixel_coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Return the finger coordinates of a master print's pixels: x, shape (1, PIXELS), and y, shape (PIXELS, 1)."""
    coordinates = (np.arange(PIXELS) + 0.5) / PIXELS * 2 * EXTENT - EXTENT
    return coordinates[None], -coordinates[:, None]


def grow_ridges(
    finger: Anatomy, density: int, rng: np.random.Generator, noise: np.random.Generator | None = None
) -> np.ndarray:
    """Grow the ridges of a finger.

    Args:
        finger: its anatomy.
        density: index of the ridge density in `DENSITIES`.
        rng: source of the finger's exact ridge distance, and of the noise that the ridges grow from.
        noise: another source of this noise, for a twin with the same directions and distances but other ridges.

    Returns:
        The master print, shape (PIXELS, PIXELS), float32: near 1 on a ridge, near -1 in a valley.
    """
    from veilbench.families.templates.data.prints.kernels import filter_pixels

    x, y = pixel_coordinates()
    widths = PERIODS[density] * rng.uniform(0.97, 1.03) * ridge_period(finger, x, y)
    width = np.clip(np.rint((widths - WIDTHS[0]) / 0.2).astype(int), 0, len(WIDTHS) - 1)
    direction = np.rint(ridge_orientation(finger, x, y) * DIRECTIONS / np.pi).astype(int) % DIRECTIONS
    which = width * DIRECTIONS + direction
    image = (noise or rng).standard_normal((PIXELS, PIXELS), np.float32)
    for _ in range(ROUNDS):
        out = np.empty_like(image)
        filter_pixels(np.pad(image, RADIUS, "reflect"), which, gabor_kernels(), out)
        image = np.tanh(out)
    return image
