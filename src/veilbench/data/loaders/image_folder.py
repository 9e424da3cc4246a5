"""Images in a folder, or in one folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from veilbench.data.raw import Raw
from veilbench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
SIXTEEN_BITS = 65535


class ImageFolder:
    """Images as `folder/label/image.png`, or as `folder/image.png` without classes; png, jpg, bmp, tif, pgm or ppm.

    Images are turned as their EXIF data says. Transparency is dropped, and of a file with several images the first is
    taken. Other files are left out, and counted in the notes. Everything is held in memory.

    Args:
        path: the folder.
        size: each image's largest centred square is resized to this many pixels on each side (bilinear, averaging
            where it shrinks); None: images stay as they are and must have one size.
        grey: one channel instead of red, green and blue.
    """

    def __init__(self, path: str, size: Annotated[int, Ge(1)] | None = None, grey: bool = False) -> None:
        self.path, self.size, self.grey = path, size, grey

    def read(self, rng: np.random.Generator) -> Raw:
        """All images, (n, channels, height, width) in [0, 1], in the order of their names.

        Raises:
            UserError: there are no images, one cannot be read, or their sizes differ.
        """
        notes: list[str] = []
        files, y, labels = self._files(notes)
        images = [self._image(file) for file in files]
        for file, image in zip(files, images, strict=True):
            if image.shape != images[0].shape:
                sizes = " and ".join(f"{one} has {x.shape[2]} x {x.shape[1]}" for one, x in _pairs(files, file, images))
                raise UserError(f"images differ in size: {sizes} pixels; set data.source.size")
        return Raw(np.stack(images), np.array(y, np.int64), [], labels, notes)

    def _files(self, notes: list[str]) -> tuple[list[Path], list[int], list[str]]:
        root = Path(self.path)
        if not root.is_dir():
            raise UserError(
                f"the images {self.path}: there is no such folder; put it there, or name another in data.source"
            )
        flat = _images_in(root, notes)
        folders = sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
        by_label = {folder.name: found for folder in folders if (found := _images_in(folder, notes))}
        if flat and by_label:
            raise UserError(f"{root} holds images such as {flat[0].name} beside folders of images; one or the other")
        if not flat and not by_label:
            raise UserError(
                f"{root} holds no images; {', '.join(SUFFIXES)} are read, in it or in a folder for each label"
            )
        if flat:
            return flat, [0] * len(flat), ["all"]
        files = [file for found in by_label.values() for file in found]
        return files, [place for place, found in enumerate(by_label.values()) for _ in found], list(by_label)

    def _image(self, path: Path) -> np.ndarray:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as opened:
                pixels = _pixels(ImageOps.exif_transpose(opened), self.grey)
                if self.size:
                    square = (self.size, self.size)
                    pixels = [ImageOps.fit(one, square, Image.Resampling.BILINEAR) for one in pixels]
                x = np.stack([np.asarray(one, np.float32) for one in pixels])
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise UserError(f"the image {path} cannot be read: {' '.join(str(error).split())}") from error
        return np.clip(x, 0, 1)


def _pairs(files: list[Path], other: Path, images: list[np.ndarray]) -> list[tuple[Path, np.ndarray]]:
    return [(files[0], images[0]), (other, images[files.index(other)])]


def _images_in(folder: Path, notes: list[str]) -> list[Path]:
    """The images directly in a folder; what else is in it is noted."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if len(images) < len(files):
        other = next(file for file in files if file not in images)
        notes.append(f"{folder.name}: {len(files) - len(images)} files such as {other.name} are no images and left out")
    return images


def _pixels(image: Image, grey: bool) -> list[Image]:
    """The channels, each an image of fractions of the brightest value."""
    from PIL import Image as images

    if image.mode.startswith("I;16") or image.mode == "I":  # Pillow would cut these off at 255
        deep = np.asarray(image, np.float32) / np.float32(SIXTEEN_BITS)
        return [images.fromarray(deep)] * (1 if grey else 3)
    if image.mode == "F":
        raise ValueError("its pixels are fractions, whose brightest value is not known")
    channels = image.convert("L" if grey else "RGB").split()
    return [images.fromarray(np.asarray(channel, np.float32) / np.float32(255)) for channel in channels]
