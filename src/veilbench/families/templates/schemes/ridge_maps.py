"""Ridge maps of prints: the ridges alone, without noise, pressure or contrast."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

DIRECTIONS = 16  # of the filters
BANDWIDTH = 0.035  # standard deviation of a filter's frequencies, in cycles per pixel
SHADE = 6.0  # standard deviation of the shading that is removed, in pixels
EDGE = 8  # pixels by which images are extended, because the filters wrap around
CONTACT, STRONG, REACH = 0.35, 0.9, 3.0  # least strength of ridges, in the image's quantile; smoothing in pixels
AT_ONCE = 8  # images per step


def enhance_ridges(images: np.ndarray, periods: Sequence[float]) -> np.ndarray:
    """Enhance the ridges of prints by the Gabor filter of each place's direction and ridge distance.

    The filters are those of Hong, Wan and Jain 1998, "Fingerprint image enhancement: algorithm and performance
    evaluation", with the direction of the strongest response. The response is divided by its local amplitude, so that
    what is left is the cosine of the ridges' phase.

    Args:
        images: grey images, shape (n, h, w), float32; both sides are at least `EDGE` + 1.
        periods: ridge distances of the filters, in pixels.

    Returns:
        1 in the middle of valleys, -1 in the middle of ridges, 0 where there is no print; shape (n, h, w), float32.
    """
    maps = np.empty(images.shape, np.float32)
    for begin in range(0, len(images), AT_ONCE):
        some = np.pad(images[begin : begin + AT_ONCE], ((0, 0), (EDGE, EDGE), (EDGE, EDGE)), "reflect")
        maps[begin : begin + AT_ONCE] = _enhance(some, tuple(periods))[:, EDGE:-EDGE, EDGE:-EDGE]
    return maps


def _enhance(images: np.ndarray, periods: tuple[float, ...]) -> np.ndarray:
    from scipy import fft

    from veilbench.families.templates.schemes.ridge_kernels import keep_strongest

    flat = (images - _smooth(images, SHADE)).astype(np.float32)
    responses = fft.ifft2(fft.fft2(flat)[:, None] * _filters(images.shape[1:], periods), overwrite_x=True)
    chosen = np.empty(images.shape, np.complex64)
    keep_strongest(responses, chosen)
    amplitude = np.abs(chosen)
    smooth = _smooth(amplitude, REACH)
    printed = smooth > CONTACT * np.quantile(smooth, STRONG, axis=(1, 2), keepdims=True)
    return np.asarray(printed * chosen.real / np.maximum(amplitude, 1e-6), np.float32)


def _smooth(images: np.ndarray, deviation: float) -> np.ndarray:
    """Smooth the last two axes by a Gaussian with a standard deviation in pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(images, deviation, axes=(-2, -1), truncate=2.5))


@lru_cache(maxsize=4)
def _filters(shape: tuple[int, ...], periods: tuple[float, ...]) -> np.ndarray:
    """Return the filters' frequency responses, one-sided, so that a response's absolute value is its amplitude."""
    down, right = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])
    angles = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    centres = [(np.sin(angle) / period, np.cos(angle) / period) for period in periods for angle in angles]
    squares = np.stack([(down - y) ** 2 + (right - x) ** 2 for y, x in centres])
    return np.exp(-squares / (2 * BANDWIDTH**2)).astype(np.float32)
