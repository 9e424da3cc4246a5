"""Packed figures and pictures: what is packed is what comes out."""

from __future__ import annotations

import base64
import io
import re
import zlib

import numpy as np
from PIL import Image

from veilbench.bench.report.packing import pack_picture, pack_svg


def png(pixels: np.ndarray) -> str:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def test_a_packed_drawing_is_the_drawing() -> None:
    drawing = '<svg viewBox="0 0 9 9"><title>a &amp; "b" \N{GREEK SMALL LETTER EPSILON}</title></svg>' * 50
    found = re.fullmatch(r'<span class="packed" data-svg="([^"]+)"></span>', pack_svg(drawing))
    assert found is not None
    assert zlib.decompress(base64.b64decode(found[1])).decode() == drawing
    assert len(found[1]) < len(drawing) / 5


def test_a_picture_looks_as_before_and_is_smaller() -> None:
    y, x = np.mgrid[:96, :192]
    ridges = 127 + 100 * np.sin(x / 2 + 3 * np.sin(y / 20)) + np.random.default_rng(0).normal(0, 10, x.shape)
    before = png(np.uint8(ridges.clip(0, 255)))
    address = pack_picture(before)
    assert address.startswith("data:image/webp;base64,")
    data = address.partition(",")[2]
    assert len(data) < len(before) / 2
    after = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), float)
    assert 20 * np.log10(255 / np.sqrt(((after - ridges.clip(0, 255)) ** 2).mean())) > 30  # PSNR in dB
