"""Packed markup and pictures: what is packed is what comes out, and what repeats is kept once."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from unpacked import PACKED, unpack
from veilbench.bench.report.packing import Pictures, cut, pack


def png(pixels: np.ndarray) -> str:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def shown(pictures: Pictures, place: int) -> np.ndarray:
    data = json.loads(pictures.as_json())[place].partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), float)


def ridges(seed: int) -> np.ndarray:
    y, x = np.mgrid[:96, :192]
    noisy = 127 + 100 * np.sin(x / 2 + 3 * np.sin(y / 20)) + np.random.default_rng(seed).normal(0, 10, x.shape)
    return np.uint8(noisy.clip(0, 250))


def test_packed_markup_is_the_markup() -> None:
    markup = '<svg viewBox="0 0 9 9"><title>a &amp; "b" \N{GREEK SMALL LETTER EPSILON}</title></svg>' * 50
    packed = pack(markup)
    assert PACKED.fullmatch(packed)
    assert unpack(packed) == markup
    assert len(packed) < len(markup) / 5


def test_a_picture_looks_as_before_and_is_smaller() -> None:
    pictures, before = Pictures(), ridges(0)
    (strip,) = pictures.add(png(before))
    assert (strip.width, strip.height) == (192, 96)
    address = json.loads(pictures.as_json())[strip.place]
    assert address.startswith("data:image/webp;base64,")
    assert len(address) < len(png(before)) / 2
    difference = shown(pictures, strip.place) - before
    assert 20 * np.log10(255 / np.sqrt((difference**2).mean())) > 30  # PSNR in dB


def test_rows_that_two_pictures_share_are_kept_once() -> None:
    gap = np.full((2, 192), 255, np.uint8)
    hidden, first, second = ridges(1), ridges(2), ridges(3)
    pictures = Pictures()
    one = pictures.add(png(np.vstack([hidden, gap, first, gap])))
    other = pictures.add(png(np.vstack([hidden, gap, second, gap])))
    assert [strip.place for strip in one] == [0, 1]
    assert [strip.place for strip in other] == [0, 2]
    assert [strip.height for strip in one] == [98, 98]


@pytest.mark.parametrize("channels", [(), (3,)])
def test_strips_put_together_are_the_picture(channels: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, *channels), np.uint8)
    for line in (0, 7, 8, 20, 39):
        pixels[line] = 255
    strips = list(cut(pixels))
    assert len(strips) == 4
    assert (np.concatenate(strips) == pixels).all()
