"""Listing of the image files in a folder, and reading of their pixels, for all loaders of images."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.images.image_depth import read_channels

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
Fit = Literal["crop", "stretch"]


def list_entries(folder: Path) -> list[Path]:
    """Return the entries of a folder in natural order of their names, without hidden ones.

    Raises:
        UserError: the folder does not exist or cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"the images {folder}: there is no such folder; put it there, or name another folder")
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural_key)
    except OSError as error:
        raise UserError(f"the images {folder} cannot be read: {error.strerror}") from error


def list_images(folder: Path, notes: list[str]) -> list[Path]:
    """Return the images directly in a folder, in the order of `list_entries`; notes mention all other files."""
    files = [path for path in list_entries(folder) if path.is_file()]
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if len(images) < len(files):
        other = next(file for file in files if file not in images)
        notes.append(f"{folder.name}: {len(files) - len(images)} files such as {other.name} are no images and left out")
    if several := [image for image in images if _count_frames(image) > 1]:
        said = f"{len(several)} files such as {several[0].name} hold several images, of which the first is taken"
        notes.append(f"{folder.name}: {said}")
    return images


def _count_frames(path: Path) -> int:
    """Return the number of images in a file; 1 if it is unreadable, because `read_image` reports that."""
    from PIL import Image

    try:
        with _silence_warnings(), Image.open(path) as opened:
            return int(getattr(opened, "n_frames", 1))
    except Exception:  # as in `read_image`
        return 1


def read_image(path: Path, grey: bool = False, size: Sequence[int] | None = None, fit: Fit = "crop") -> np.ndarray:
    """Read the pixels of a file, shape (channels, height, width), float32 in [0, 1].

    Images are rotated according to their EXIF data. Transparency is dropped, and only the first of several images in a
    file is read. 16-bit greyscale keeps its depth; formats that Pillow would truncate are refused: 16-bit colour,
    32-bit integers and floats. CMYK is converted by (1 - ink)(1 - black), without a colour profile. Greyscale is the
    luma of ITU-R Recommendation BT.601.

    Args:
        path: path of the image file.
        grey: whether to return one channel instead of red, green and blue.
        size: height and width to scale to (bilinear, with averaging when shrinking); None keeps the size.
        fit: how to change the aspect ratio: "crop" cuts off two opposite sides equally, "stretch" distorts the image.

    Raises:
        UserError: the file is not a readable image.
    """
    from PIL import Image

    try:
        # Read from memory: memory-mapped by Pillow, plain TIFF images that need a quarter turn come out sheared.
        with _silence_warnings(), Image.open(io.BytesIO(path.read_bytes())) as opened:
            pixels = [Image.fromarray(one) for one in read_channels(opened, grey)]
            if size is not None:
                pixels = [_resize(one, (size[1], size[0]), fit) for one in pixels]
            x = np.stack([np.asarray(one, np.float32) for one in pixels])
    except Exception as error:  # Pillow's readers each raise errors of their own on a damaged file
        raise UserError(f"the image {path} cannot be read: {' '.join(str(error).split())}") from error
    return np.clip(x, 0, 1)


@contextmanager
def _silence_warnings() -> Iterator[None]:
    """Silence Pillow's warnings: their causes are harmless or raise an error, which is reported in one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def stack_images(files: Sequence[Path], images: Sequence[np.ndarray], remedy: str) -> np.ndarray:
    """Stack images into an array of shape (n, channels, height, width).

    Args:
        files: paths of the images, for the error message.
        images: images, each of shape (channels, height, width).
        remedy: what the user can do about different sizes, for the end of the error message.

    Raises:
        UserError: the images differ in size.
    """
    for file, x in zip(files, images, strict=True):
        if x.shape != images[0].shape:
            pairs = ((files[0], images[0]), (file, x))
            sizes = " and ".join(f"{one} has {x.shape[2]} x {x.shape[1]}" for one, x in pairs)
            raise UserError(f"images differ in size: {sizes} pixels; {remedy}")
    return np.stack(images)


def _natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key for natural order: `s2` comes before `s10`."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _resize(channel: Image, size: tuple[int, int], fit: Fit) -> Image:
    from PIL import Image, ImageOps

    if fit == "crop":
        return ImageOps.fit(channel, size, Image.Resampling.BILINEAR)
    return channel.resize(size, Image.Resampling.BILINEAR)
