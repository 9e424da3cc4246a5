"""Whole images of any size in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.images.image_file import SUFFIXES, list_images, read_image


class WholeImages:
    """Reads the images of `folder/image.png` with `images.image_file.read_image`.

    Args:
        path: folder of the images.
        grey: whether to convert colour images to one channel.
    """

    def __init__(self, path: str, grey: bool = False) -> None:
        self.path, self.grey = path, grey

    def read(self, notes: list[str]) -> dict[str, np.ndarray]:
        """Read images by file name, shape (channels, height, width), float32 in [0, 1], in the natural order of names.

        Files that are left out are added to the notes.

        Raises:
            UserError: there are no images, or one cannot be read.
        """
        files = list_images(Path(self.path), notes)
        if not files:
            raise UserError(f"{self.path} holds no images; {', '.join(SUFFIXES)} are read")
        return {file.name: read_image(file, self.grey) for file in files}
