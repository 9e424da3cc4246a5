"""How bright the numbers in an image file are: what Pillow would cut or mistake is refused, not guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, SIGNED = 0, 2
EIGHT_BITS, SIXTEEN_BITS = 255, 65535


def channels(opened: Image, grey: bool) -> list[np.ndarray]:
    """The channels, one of grey or three of red, green and blue: shape (height, width), float32, in [0, 1].

    Args:
        opened: the image as its file has it; it is turned as its EXIF data says.
        grey: one channel.

    Raises:
        ValueError: its numbers have another meaning or more depth than can be read; the line names its mode.
    """
    from PIL import ImageOps

    tags = dict(getattr(opened, "tag_v2", {})) if opened.format == "TIFF" else {}
    _refuse_unknown(opened, tags)  # before anything is loaded: then Pillow forgets how the numbers are stored
    turned = ImageOps.exif_transpose(opened)
    if turned.mode.startswith("I"):
        return [_sixteen_bits(turned, tags)] * (1 if grey else 3)
    if turned.mode == "P" and "transparency" in turned.info:  # without this step Pillow warns
        turned = turned.convert("RGBA")
    return [
        np.asarray(one, np.float32) / np.float32(EIGHT_BITS) for one in turned.convert("L" if grey else "RGB").split()
    ]


def _refuse_unknown(opened: Image, tags: dict[int, Any]) -> None:
    if opened.mode == "F":
        raise ValueError("its pixels are fractions (mode F), whose brightest value is not known; save it with 16 bits")
    if opened.mode == "I" and opened.format != "PPM":  # a PPM's brightest value is in its head, and Pillow has seen it
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
    """Bits of a channel in the file, as far as Pillow tells: 16 or 8."""
    for tile in getattr(opened, "tile", []):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(arg, str) and ";16" in arg for arg in args):
            return 16
        if opened.format == "PPM" and any(isinstance(arg, int) and arg > EIGHT_BITS for arg in args[1:2]):
            return 16
    return 8


def _sixteen_bits(turned: Image, tags: dict[int, Any]) -> np.ndarray:
    """Greyscale of 9 to 16 bits, whose depth Pillow keeps, as fractions of the brightest value."""
    brightest = np.float32(2 ** int(np.max(tags.get(BITS, 16))) - 1) if tags else np.float32(SIXTEEN_BITS)
    fractions = np.asarray(turned, np.float32) / brightest
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO  # Pillow turns this round for 8 bits and fewer
    return 1 - fractions if inverted else fractions
