"""Images in a folder, whole, of whatever size each is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.images.image_file import SUFFIXES, image, images_in


class WholeImages:
    """The images of `folder/image.png`, as `images.image_file.image` reads them.

    Args:
        path: the folder.
        grey: whether to convert colour images to one channel.
    """

    def __init__(self, path: str, grey: bool = False) -> None:
        self.path, self.grey = path, grey

    def read(self, notes: list[str]) -> dict[str, np.ndarray]:
        """Name of the file -> shape (channels, height, width), float32 in [0, 1]; in the natural order of the names.

        What is left out is added to the notes.

        Raises:
            UserError: there are no images, or one cannot be read.
        """
        files = images_in(Path(self.path), notes)
        if not files:
            raise UserError(f"{self.path} holds no images; {', '.join(SUFFIXES)} are read")
        return {file.name: image(file, self.grey) for file in files}
