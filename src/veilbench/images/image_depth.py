"""Conversion of pixel values to [0, 1]. Formats that Pillow would truncate or misread are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, SIGNED = 0, 2
EIGHT_BITS, SIXTEEN_BITS = 255, 65535


def read_channels(opened: Image, grey: bool) -> list[np.ndarray]:
    """Read one grey channel, or red, green and blue: arrays of shape (height, width), float32, in [0, 1].

    Args:
        opened: image opened by Pillow; it is rotated according to its EXIF data.
        grey: whether to return one channel of grey instead of three.

    Raises:
        ValueError: the pixel format is not supported; the message names its mode.
    """
    from PIL import ImageOps

    tags = dict(getattr(opened, "tag_v2", {})) if opened.format == "TIFF" else {}
    _refuse_unknown(opened, tags)  # before the pixels are loaded, because Pillow then forgets how they are stored
    rotated = ImageOps.exif_transpose(opened)
    if rotated.mode.startswith("I"):
        return [_read_sixteen_bits(rotated, tags)] * (1 if grey else 3)
    if rotated.mode == "P" and "transparency" in rotated.info:  # without this step Pillow warns
        rotated = rotated.convert("RGBA")
    return [
        np.asarray(one, np.float32) / np.float32(EIGHT_BITS) for one in rotated.convert("L" if grey else "RGB").split()
    ]


def _refuse_unknown(opened: Image, tags: dict[int, Any]) -> None:
    if opened.mode == "F":
        raise ValueError("its pixels are floats (mode F), whose brightest value is not known; save it with 16 bits")
    if opened.mode == "I" and opened.format != "PPM":  # the header of a PPM has the brightest value, which Pillow uses
        raise ValueError(
            "its pixels are integers of 32 bits, or with a sign (mode I), whose brightest value is not known; save it "
            "with 8 or 16 bits"
        )
    if not opened.mode.startswith("I") and _stored_bits(opened) > 8:
        raise ValueError(
            f"it has more than 8 bits in each of several channels (mode {opened.mode}), of which only 8 can be read; "
            "save it with 8 bits, or in grey with 16"
        )
    if SIGNED in np.atleast_1d(tags.get(SAMPLE_FORMAT, 1)):
        raise ValueError(f"its pixels have a sign (mode {opened.mode}), so that the darkest value is not known")


def _stored_bits(opened: Image) -> int:
    """Return the bits per channel in the file, as far as Pillow knows: 16 or 8."""
    for tile in getattr(opened, "tile", []):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(arg, str) and ";16" in arg for arg in args):
            return 16
        if opened.format == "PPM" and any(isinstance(arg, int) and arg > EIGHT_BITS for arg in args[1:2]):
            return 16
    return 8


def _read_sixteen_bits(rotated: Image, tags: dict[int, Any]) -> np.ndarray:
    """Convert greyscale of 9 to 16 bits to fractions of the brightest value."""
    brightest = np.float32(2 ** int(np.max(tags.get(BITS, 16))) - 1) if tags else np.float32(SIXTEEN_BITS)
    fractions = np.asarray(rotated, np.float32) / brightest
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO  # for 8 bits and fewer Pillow inverts it itself
    return 1 - fractions if inverted else fractions
