"""Image files in the format that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.images.image_file import read_image

SMALLEST = 8  # minimum number of pixels per side


def read(paths: Sequence[Path], size: tuple[int, int] | None, resize: bool) -> np.ndarray:
    """Read images as grey levels, shape (n, 1, h, w), float32 in [0, 1].

    Args:
        paths: png, tif, bmp, jpg, pgm and other files that Pillow reads; only the first of several frames is used.
        size: required height and width; None takes those of the first image.
        resize: whether to scale images to this size, ignoring their proportions, as the data sets' loaders do.

    Raises:
        UserError: an image cannot be read, is of another size, too small, or blank.
    """
    images: list[np.ndarray] = []
    for path in paths:
        if not path.is_file():
            raise UserError(f"cannot read {path}: there is no such file")
        # Round to 256 levels as the data sets' loaders do, so that a file gives the same template in both.
        pixels = np.rint(255 * read_image(path, True, size if resize else None, "stretch")[0]) / np.float32(255)
        height, width = pixels.shape
        size = size or (height, width)
        if (height, width) != size:
            raise UserError(
                f"{path} is {height} x {width} pixels (height x width), the model takes {size[0]} x {size[1]}: crop "
                "it, or let --resize scale it, ignoring its proportions"
            )
        if min(size) < SMALLEST:
            raise UserError(f"{path} is {height} x {width} pixels: at least {SMALLEST} a side are needed")
        if pixels.max() == pixels.min():
            raise UserError(f"{path} is blank: there is nothing to recognise")
        images.append(pixels)
    return np.stack(images)[:, None].astype(np.float32)
