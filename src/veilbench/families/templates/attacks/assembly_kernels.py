"""Compiled loop that puts images together from pieces. Import it only when it is called: numba imports slowly."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.data.prints.kernels import compile_function


@compile_function
def add_pieces(
    own: np.ndarray,
    chosen: np.ndarray,
    down: np.ndarray,
    right: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add a piece of one of the own images for each cell of each image to make.

    Args:
        own: images to take pieces from, shape (m, c, h, w), float32.
        chosen: index of the image that each cell's piece is taken from, shape (cells, cells, p).
        down: weight of each row of pixels in each cell, shape (cells, h), float32.
        right: weight of each column of pixels in each cell, shape (cells, w), float32.
        rows: first row of each cell's piece, and the one after its last, shape (cells, 2).
        columns: the same for columns, shape (cells, 2).
        out: images to add to, in place, shape (p, c, h, w), float32.
    """
    for p in range(len(out)):
        for r in range(len(rows)):
            for s in range(len(columns)):
                piece = own[chosen[r, s, p]]
                first, last = columns[s]
                across = right[s, first:last]
                for channel in range(out.shape[1]):
                    for i in range(rows[r, 0], rows[r, 1]):
                        line, pixels = out[p, channel, i, first:last], piece[channel, i, first:last]
                        for j in range(len(line)):
                            line[j] += down[r, i] * across[j] * pixels[j]
