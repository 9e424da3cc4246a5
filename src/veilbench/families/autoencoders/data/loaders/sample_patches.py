"""Patches of the two photographs that come with scikit-learn: colour images without a download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Side
from veilbench.families.autoencoders.data.raw import Raw

GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue: luma of ITU-R BT.601


class SamplePatches:
    """Cuts square patches, shape (n, 3, size, size), in [0, 1], from a grid over `china.jpg` and `flower.jpg`.

    Patches share no pixels. The grid's position in each photograph is drawn such that no patch is lost. Size 32 gives
    520 patches, 16 gives 2,080, 8 gives 8,480. All parts of the data are from the same two photographs, so results
    measure how well a model compresses such patches, not how well it does on other photographs. The classes are the
    photographs.

    Args:
        size: side of the patches, in pixels; at most 400.
        count: number of patches to take at random; None takes all.
        grey: whether to convert patches to one channel, the luma of red, green and blue.
    """

    def __init__(self, size: Annotated[Side, Ge(2)] = 32, count: Count | None = None, grey: bool = False):
        if size > 400:
            raise ValueError(f"size={size} must be 400 or less: the photographs have 427 x 640 pixels")
        self.size, self.count, self.grey = size, count, grey

    def read(self, rng: np.random.Generator) -> Raw:
        """Read the patches.

        Raises:
            UserError: there are fewer patches than `count`.
        """
        from sklearn.datasets import load_sample_images

        bunch = load_sample_images()
        grids = [cut_patches(image / 255, self.size, rng) for image in bunch.images]
        x = np.concatenate(grids)
        y = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
        if self.count and self.count > len(x):
            raise UserError(f"data.source.count={self.count}: there are {len(x)} patches of size {self.size}")
        if self.count:
            chosen = np.sort(rng.permutation(len(x))[: self.count])
            x, y = x[chosen], y[chosen]
        if self.grey:
            x = np.einsum("nchw,c->nhw", x, GREY)[:, None]
        labels = [Path(name).stem for name in bunch.filenames]
        return Raw(x.astype(np.float32), y, [], labels, ["patches of the same two photographs are in every part"])


def cut_patches(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut all squares of a randomly placed grid, in reading order.

    Args:
        image: image to cut, shape (height, width, channels).
        size: side of the squares, in pixels.
        rng: source of the number of pixels left out at the top and at the left.

    Returns:
        The squares, shape (n, channels, size, size), where n = (height // size) * (width // size).
    """
    rows, columns = image.shape[0] // size, image.shape[1] // size
    top, left = rng.integers(image.shape[0] - rows * size + 1), rng.integers(image.shape[1] - columns * size + 1)
    used = image[top : top + rows * size, left : left + columns * size]
    squares = used.reshape(rows, size, columns, size, -1).transpose(0, 2, 4, 1, 3)
    return squares.reshape(rows * columns, -1, size, size)
