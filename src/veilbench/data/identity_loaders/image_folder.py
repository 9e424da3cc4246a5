"""Images in folders, one folder for each identity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from veilbench.data.identities import RawIdentities
from veilbench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".pgm")


class ImageFolder:
    """Reads `folder/identity/impression.png`; also tif, bmp, jpg and pgm. Colour becomes grey.

    Args:
        folder: holds a folder for each identity; other files, and files and folders with a leading dot, are passed by.
        size: height and width that the images are scaled to; None wants them all of one size.
    """

    def __init__(self, folder: str, size: Sequence[Annotated[int, Ge(8)]] | None = None) -> None:
        if size is not None and len(size) != 2:
            raise ValueError(f"size={list(size)} must be two numbers, height and width, or null")
        self.folder, self.size = folder, size

    def read(self) -> RawIdentities:
        """Read all; identities and impressions are numbered in the natural order of their names.

        Raises:
            UserError: no images, an image that cannot be read, or images of several sizes.
        """
        people = [found for found in (_images(path) for path in _children(Path(self.folder))) if found]
        if not people:
            raise UserError(f"{self.folder} holds no images; it needs identity/impression{{{','.join(ENDINGS)}}}")
        files = [path for person in people for path in person]
        images = [grey(path, self.size) for path in files]
        for path, image in zip(files, images, strict=True):
            if image.shape != images[0].shape:
                raise UserError(
                    f"{path} is {image.shape}, {files[0]} is {images[0].shape}: set size, as [height, width]"
                )
        identities = np.repeat(np.arange(len(people)), [len(person) for person in people])
        numbers = np.concatenate([np.arange(len(person)) for person in people])
        notes = [f"read {len(files):,} images of {len(people):,} identities"]
        return RawIdentities(np.stack(images)[:, None], identities, numbers, notes=notes)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """`s2` before `s10`."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if path.name[0] != "."), key=_natural)
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror}") from error


def _images(folder: Path) -> list[Path]:
    return [p for p in _children(folder) if p.suffix.lower() in ENDINGS] if folder.is_dir() else []


def grey(path: Path, size: Sequence[int] | None = None) -> np.ndarray:
    """Read one image as grey levels, shape (h, w), uint8; scaled to `size` (height, width) where that is given.

    Raises:
        UserError: the file is not an image that can be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            image = (_from_16_bits(opened) if opened.mode.startswith(("I", "F")) else opened).convert("L")
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
            return np.asarray(image)
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not an image that can be read: its format is not known") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # PIL's for damaged files
        raise UserError(f"{path} is not an image that can be read: {error}") from error


def _from_16_bits(image: Image) -> Image:
    from PIL.Image import fromarray

    return fromarray((np.asarray(image).astype(np.float64) / 257).clip(0, 255).astype(np.uint8))
