"""The structure tensor of images, summed over the cells of a grid."""

from __future__ import annotations

import numpy as np


def mean_channel(images: np.ndarray) -> np.ndarray:
    """Return the mean over the channels, shape (n, c, h, w) to (n, h, w); a single channel is not copied."""
    return images[:, 0] if images.shape[1] == 1 else np.asarray(images.mean(1))


def sum_structure_tensor(images: np.ndarray, grid: int) -> np.ndarray:
    """Sum the structure tensor of grey images over the cells of a grid.

    Gradients are central differences, and one-sided ones at the edges, as `np.gradient` computes them.

    Args:
        images: grey images, shape (n, h, w), float32; both sides are at least 2 and at least `grid`.
        grid: number of cells along each side.

    Returns:
        Per cell the sums of right^2 - down^2, of 2 right down and of right^2 + down^2, where right and down are the
        two parts of the gradient; shape (n, 3, grid, grid), float32.
    """
    from veilbench.families.templates.schemes.tensor_kernels import sum_products

    tensor = np.empty((len(images), 3, grid, grid), np.float32)
    sum_products(np.ascontiguousarray(images, np.float32), *cell_edges(images, grid), tensor)
    return tensor


def cell_edges(images: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each cell, and the height, of images of shape (n, h, w); and the same for columns."""
    rows, columns = (np.arange(grid + 1) * side // grid for side in images.shape[1:])
    return rows, columns


def sum_cells(images: np.ndarray, grid: int) -> np.ndarray:
    """Sum the pixels of grey images over cells, shape (n, h, w) to (n, grid, grid), float32."""
    from veilbench.families.templates.schemes.tensor_kernels import sum_pixels

    sums = np.empty((len(images), grid, grid), np.float32)
    sum_pixels(np.ascontiguousarray(images, np.float32), *cell_edges(images, grid), sums)
    return sums
