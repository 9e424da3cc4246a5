"""Images in a folder, or in one folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Side
from veilbench.families.autoencoders.data.raw import Raw
from veilbench.images.image_file import SUFFIXES, list_entries, list_images, read_image, stack_images


class ImageFolder:
    """Reads `folder/label/image.png`, or `folder/image.png` without classes; png, jpg, bmp, tif, pgm or ppm.

    The function `images.image_file.read_image` reads the files. Other files are left out, and counted in the notes. All
    images are held in memory.

    Args:
        path: folder of the images.
        size: side in pixels to which each image's largest central square is resized; None keeps the images, which must
            then have one size.
        grey: whether to convert colour images to one channel.
    """

    def __init__(self, path: str, size: Side | None = None, grey: bool = False) -> None:
        self.path, self.size, self.grey = path, size, grey

    def read(self, rng: np.random.Generator) -> Raw:
        """Read all images, shape (n, channels, height, width), in [0, 1], in the natural order of their names.

        Raises:
            UserError: there are no images, one cannot be read, or their sizes differ.
        """
        notes: list[str] = []
        files, y, labels = self._list_files(notes)
        square = (self.size, self.size) if self.size else None
        x = stack_images(files, [read_image(file, self.grey, square) for file in files], "set data.source.size")
        return Raw(x, np.array(y, np.int64), [], labels, notes)

    def _list_files(self, notes: list[str]) -> tuple[list[Path], list[int], list[str]]:
        root = Path(self.path)
        flat = list_images(root, notes)
        folders = [child for child in list_entries(root) if child.is_dir()]
        by_label = {folder.name: found for folder in folders if (found := list_images(folder, notes))}
        if flat and by_label:
            raise UserError(
                f"{root} holds both images such as {flat[0].name} and folders of images; use one of the two"
            )
        if not flat and not by_label:
            raise UserError(
                f"{root} holds no images; {', '.join(SUFFIXES)} are read, in it or in a folder for each label"
            )
        if flat:
            return flat, [0] * len(flat), ["all"]
        files = [file for found in by_label.values() for file in found]
        return files, [place for place, found in enumerate(by_label.values()) for _ in found], list(by_label)
