"""Images in files: which ones a folder holds, and their pixels. Every loader of images reads them here."""

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
from veilbench.images.image_depth import channels

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
Fit = Literal["crop", "stretch"]


def children(folder: Path) -> list[Path]:
    """What lies in a folder, in the natural order of the names, without what begins with a dot.

    Raises:
        UserError: there is no such folder, or it may not be read.
    """
    if not folder.is_dir():
        raise UserError(f"the images {folder}: there is no such folder; put it there, or name another folder")
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)
    except OSError as error:
        raise UserError(f"the images {folder} cannot be read: {error.strerror}") from error


def images_in(folder: Path, notes: list[str]) -> list[Path]:
    """The images directly in a folder, see `children`; what other files are in it is noted."""
    files = [path for path in children(folder) if path.is_file()]
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if len(images) < len(files):
        other = next(file for file in files if file not in images)
        notes.append(f"{folder.name}: {len(files) - len(images)} files such as {other.name} are no images and left out")
    if several := [image for image in images if _frames(image) > 1]:
        said = f"{len(several)} files such as {several[0].name} hold several images, of which the first is taken"
        notes.append(f"{folder.name}: {said}")
    return images


def _frames(path: Path) -> int:
    """Images in a file; 1 where it cannot be read, which is told when its pixels are wanted."""
    from PIL import Image

    try:
        with _without_warnings(), Image.open(path) as opened:
            return int(getattr(opened, "n_frames", 1))
    except Exception:  # as in `image`
        return 1


def image(path: Path, grey: bool = False, size: Sequence[int] | None = None, fit: Fit = "crop") -> np.ndarray:
    """The pixels of a file, shape (channels, height, width), float32 in [0, 1].

    Images are turned as their EXIF data says. Transparency is dropped, and of a file with several images the first is
    taken. Greyscale of 16 bits keeps its depth; what Pillow would cut is refused: colour of 16 bits, integers of 32,
    and fractions. Cyan, magenta, yellow and black become colours as (1 - ink)(1 - black), without a colour profile.
    Greyscale is the luma of ITU-R Recommendation BT.601.

    Args:
        path: the file.
        grey: one channel instead of red, green and blue.
        size: height and width to scale to (bilinear, averaging where it shrinks); None: the image stays as it is.
        fit: whether what sticks out is cut off at both sides, or the image is stretched.

    Raises:
        UserError: the file is no image that can be read.
    """
    from PIL import Image

    try:
        # From memory: mapped from the disk, Pillow shears plain TIFF images that are to be turned by a quarter.
        with _without_warnings(), Image.open(io.BytesIO(path.read_bytes())) as opened:
            pixels = [Image.fromarray(one) for one in channels(opened, grey)]
            if size is not None:
                pixels = [_scaled(one, (size[1], size[0]), fit) for one in pixels]
            x = np.stack([np.asarray(one, np.float32) for one in pixels])
    except Exception as error:  # Pillow's readers each raise errors of their own on a damaged file
        raise UserError(f"the image {path} cannot be read: {' '.join(str(error).split())}") from error
    return np.clip(x, 0, 1)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings off the terminal: what they foretell is told in an error's one line, or does no harm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def of_one_size(files: Sequence[Path], images: Sequence[np.ndarray], remedy: str) -> np.ndarray:
    """The images as one array, (n, channels, height, width).

    Raises:
        UserError: one differs in size from the first; the line ends with the remedy.
    """
    for file, x in zip(files, images, strict=True):
        if x.shape != images[0].shape:
            pairs = ((files[0], images[0]), (file, x))
            sizes = " and ".join(f"{one} has {x.shape[2]} x {x.shape[1]}" for one, x in pairs)
            raise UserError(f"images differ in size: {sizes} pixels; {remedy}")
    return np.stack(images)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """`s2` before `s10`."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _scaled(channel: Image, size: tuple[int, int], fit: Fit) -> Image:
    from PIL import Image, ImageOps

    if fit == "crop":
        return ImageOps.fit(channel, size, Image.Resampling.BILINEAR)
    return channel.resize(size, Image.Resampling.BILINEAR)
