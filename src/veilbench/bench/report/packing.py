"""Packs figures and pictures, which would otherwise make up nine tenths of the page."""

from __future__ import annotations

import base64
import io
import zlib

from markupsafe import Markup

QUALITY = 60  # of WebP: about 32 dB; ridges and their breaks stay, the noise of the sensor gets smoother


def pack_svg(drawing: str) -> Markup:
    """Return an element that holds a compressed `<svg>`; page.js puts the drawing in its place.

    Args:
        drawing: an `<svg>` element.
    """
    packed = base64.b64encode(zlib.compress(drawing.encode(), 9)).decode()
    return Markup(f'<span class="packed" data-svg="{packed}"></span>')  # base64 needs no escaping


def pack_picture(png: str) -> str:
    """Return the address of a picture as WebP, or as it is if that is smaller.

    Args:
        png: a PNG file in base64.
    """
    from PIL import Image

    written = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(written, "WEBP", quality=QUALITY, method=6)
    webp = base64.b64encode(written.getvalue()).decode()
    return f"data:image/webp;base64,{webp}" if len(webp) < len(png) else f"data:image/png;base64,{png}"
