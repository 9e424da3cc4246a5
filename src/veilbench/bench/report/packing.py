"""Packs what would otherwise make up nine tenths of the page: the details of each experiment, figures and pictures."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

QUALITY = 60  # of WebP: about 32 dB; ridges and their breaks stay, the noise of the sensor gets smoother
WHITE = 255


def pack(markup: str) -> Markup:
    """Return an element that holds compressed HTML or SVG; unpack.js puts the content in its place.

    Args:
        markup: HTML without scripts, or an `<svg>` element; it is trusted, so it must be escaped already.
    """
    packed = base64.b64encode(zlib.compress(markup.encode(), 9)).decode()
    return Markup(f'<span class="packed" data-packed="{packed}"></span>')  # base64 needs no escaping


@dataclass(frozen=True)
class Strip:
    """A part of a picture: its place in the page's list, and its width and height in pixels."""

    place: int
    width: int
    height: int


class Pictures:
    """The pictures of a page, cut into strips at their white lines; equal strips are kept once.

    Grids of images repeat their rows: the hidden images are the same for every attack, and for every experiment.
    """

    def __init__(self) -> None:
        self.places: dict[bytes, int] = {}
        self.addresses: list[str] = []

    def add(self, png: str) -> list[Strip]:
        """Add a picture, and return its strips from above.

        Args:
            png: a PNG file in base64.
        """
        from PIL import Image

        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
        return [Strip(self._place(strip), strip.shape[1], strip.shape[0]) for strip in cut(pixels)]

    def _place(self, pixels: np.ndarray) -> int:
        key = repr(pixels.shape).encode() + pixels.tobytes()
        if key not in self.places:
            self.places[key] = len(self.addresses)
            self.addresses.append(_address(pixels))
        return self.places[key]

    def as_json(self) -> Markup:
        """Return the addresses of all strips as a JSON list, which holds base64 alone and needs no escaping."""
        return Markup(json.dumps(self.addresses))


def cut(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Cut an image of shape (height, width) or (height, width, channels) below each run of white lines."""
    white = (pixels == WHITE).reshape(len(pixels), -1).all(axis=1)
    ends = np.flatnonzero(white[:-1] & ~white[1:]) + 1
    yield from np.split(pixels, ends)


def _address(pixels: np.ndarray) -> str:
    """Return the address of an image as WebP, or as PNG if that is smaller."""
    files = {"webp": _encode(pixels, "WEBP", quality=QUALITY, method=6), "png": _encode(pixels, "PNG", optimize=True)}
    kind = min(files, key=lambda kind: len(files[kind]))
    return f"data:image/{kind};base64,{base64.b64encode(files[kind]).decode()}"


def _encode(pixels: np.ndarray, kind: str, **settings: int) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, kind, **settings)
    return written.getvalue()
