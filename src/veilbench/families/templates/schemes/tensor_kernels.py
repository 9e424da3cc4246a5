"""Compiled loops over the structure tensor of images. Import them only when they are called: numba imports slowly."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.data.prints.kernels import compile_function

HALF, WHOLE = np.float32(0.5), np.float32(1)  # weight of central and of one-sided differences


@compile_function
def differentiate(image: np.ndarray, row: int, down: np.ndarray, right: np.ndarray) -> None:
    """Write the differences of an image's row downwards and to the right, at the edges one-sided ones.

    Args:
        image: image, shape (h, w), float32, both sides at least 2.
        row: index of the row.
        down: differences downwards, written in place, shape (w,).
        right: differences to the right, written in place, shape (w,).
    """
    height, width = image.shape
    upper, middle, lower = image[max(row - 1, 0)], image[row], image[min(row + 1, height - 1)]
    share = HALF if 0 < row < height - 1 else WHOLE
    for j in range(width):
        down[j] = (lower[j] - upper[j]) * share
    for j in range(1, width - 1):
        right[j] = (middle[j + 1] - middle[j - 1]) * HALF
    right[0], right[-1] = middle[1] - middle[0], middle[-1] - middle[-2]


@compile_function
def sum_products(images: np.ndarray, rows: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Sum the structure tensor over cells.

    Args:
        images: grey images, shape (n, h, w), float32.
        rows: first row of each cell, and h, shape (grid + 1,).
        columns: first column of each cell, and w, shape (grid + 1,).
        out: sums of right^2 - down^2, 2 right down and right^2 + down^2, written in place, shape (n, 3, grid, grid).
    """
    width = images.shape[2]
    down, right = np.empty(width, np.float32), np.empty(width, np.float32)
    sums = np.empty((3, width), np.float32)
    for k in range(len(images)):
        for r in range(len(rows) - 1):
            sums[:] = 0
            for i in range(rows[r], rows[r + 1]):
                differentiate(images[k], i, down, right)
                for j in range(width):
                    sums[0, j] += right[j] * right[j]
                    sums[1, j] += down[j] * down[j]
                    sums[2, j] += right[j] * down[j]
            for c in range(len(columns) - 1):
                along = across = mixed = np.float32(0)
                for j in range(columns[c], columns[c + 1]):
                    along += sums[0, j]
                    across += sums[1, j]
                    mixed += sums[2, j]
                out[k, 0, r, c], out[k, 1, r, c], out[k, 2, r, c] = along - across, 2 * mixed, along + across


@compile_function
def sum_pixels(images: np.ndarray, rows: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Sum the pixels of images over cells; the arguments are as those of `sum_products`, `out` (n, grid, grid)."""
    sums = np.empty(images.shape[2], np.float32)
    for k in range(len(images)):
        for r in range(len(rows) - 1):
            sums[:] = 0
            for i in range(rows[r], rows[r + 1]):
                for j in range(len(sums)):
                    sums[j] += images[k, i, j]
            for c in range(len(columns) - 1):
                total = np.float32(0)
                for j in range(columns[c], columns[c + 1]):
                    total += sums[j]
                out[k, r, c] = total


@compile_function
def spread_slopes(
    images: np.ndarray, rows: np.ndarray, columns: np.ndarray, slopes: np.ndarray, out: np.ndarray
) -> None:
    """Turn the slopes of a function of `sum_products` into its slopes with respect to the images.

    Args:
        images: grey images, shape (n, h, w), float32.
        rows: first row of each cell, and h, shape (grid + 1,).
        columns: first column of each cell, and w, shape (grid + 1,).
        slopes: slopes with respect to the sums, shape (n, 3, grid, grid), float32.
        out: slopes with respect to the images, written in place, shape (n, h, w), float32.
    """
    _, height, width = images.shape
    down, right = np.empty(width, np.float32), np.empty(width, np.float32)
    ours = np.empty((3, width), np.float32)  # the slopes of each pixel's cell
    for k in range(len(images)):
        out[k] = 0
        for r in range(len(rows) - 1):
            for c in range(len(columns) - 1):
                for j in range(columns[c], columns[c + 1]):
                    ours[0, j] = 2 * (slopes[k, 2, r, c] + slopes[k, 0, r, c])
                    ours[1, j] = 2 * (slopes[k, 2, r, c] - slopes[k, 0, r, c])
                    ours[2, j] = 2 * slopes[k, 1, r, c]
            for i in range(rows[r], rows[r + 1]):
                differentiate(images[k], i, down, right)
                share = HALF if 0 < i < height - 1 else WHOLE
                for j in range(width):
                    mixed = ours[2, j] * right[j]
                    right[j] = ours[0, j] * right[j] + ours[2, j] * down[j]
                    down[j] = (ours[1, j] * down[j] + mixed) * share
                upper, middle, lower = out[k, max(i - 1, 0)], out[k, i], out[k, min(i + 1, height - 1)]
                for j in range(width):
                    upper[j] -= down[j]
                for j in range(width):
                    lower[j] += down[j]
                middle[0] -= right[0]
                middle[1] += right[0]
                middle[-1] += right[-1]
                middle[-2] -= right[-1]
                for j in range(2, width):
                    middle[j] += HALF * right[j - 1]
                for j in range(width - 2):
                    middle[j] -= HALF * right[j + 1]
