"""Similarity of images. All measures are per image, for a value range of 1; values are not clipped."""

from __future__ import annotations

import numpy as np

MOST_DECIBELS, WINDOW = 100.0, 7


def psnr(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute the peak signal-to-noise ratio in decibels for a range of 1; at most 100, which means no difference.

    Args:
        images: images, shape (n, c, h, w).
        others: images to compare with, of the same shape.

    Returns:
        The ratio of each pair, shape (n,), float64.
    """
    return decibels(squared_errors(images, others))


def decibels(errors: np.ndarray) -> np.ndarray:
    """Convert mean squared errors to peak signal-to-noise ratios for a range of 1, at most 100 dB."""
    return np.asarray(-10 * np.log10(np.maximum(errors, 10 ** (-MOST_DECIBELS / 10))))


def squared_errors(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of each row, shape (n, *shape) to (n,), float64."""
    if rows.shape != others.shape:
        raise ValueError(f"rows of shapes {rows.shape} and {others.shape} cannot be compared")
    differences = rows.astype(np.float64) - others.astype(np.float64)
    return np.asarray((differences.reshape(len(rows), -1) ** 2).mean(1))


def ssim(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute the structural similarity (Wang et al. 2004) for a range of 1, by scikit-image, as mean over channels.

    The window is uniform with 7 x 7 pixels; on smaller images the largest odd size that fits.

    Returns:
        The similarity of each pair, shape (n,), float64.

    Raises:
        ValueError: the images are smaller than 3 x 3 pixels.
    """
    from skimage.metrics import structural_similarity

    if min(images.shape[2:]) < 3:
        raise ValueError(f"SSIM needs images of 3 x 3 pixels or more, got {images.shape[2]} x {images.shape[3]}")
    window = min(WINDOW, (min(images.shape[2:]) - 1) // 2 * 2 + 1)
    pairs = zip(images.astype(np.float64), others.astype(np.float64), strict=True)
    settings = {"win_size": window, "channel_axis": 0, "data_range": 1.0}
    return np.array([structural_similarity(one, other, **settings) for one, other in pairs])
