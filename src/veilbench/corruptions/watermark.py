"""Watermarks: text over images."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.limits import Share
from veilbench.corruptions.base import Corruption, need_images

if TYPE_CHECKING:
    from torch import Generator, Tensor

DRAWN, WIDEST, LOWEST = 64, 0.8, 3  # font size before scaling; share of the image's width; pixels of height


class Watermark(Corruption):
    """Draws white text over each image at a random position, scaled to the image; values in [0, 1] stay in this range.

    Args:
        text: text of the watermark, with at least one visible character.
        opacity: opacity of the pixel with the most ink, in [0, 1]: 0 has no effect, 1 paints it white.
    """

    def __init__(self, text: str = "SAMPLE", opacity: Share = 0.5) -> None:
        if not text.strip():
            raise ValueError(f"text={text!r} must have a visible character")
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity={opacity} must be in [0, 1]")
        self.text, self.opacity = text, opacity

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay."""
        import torch

        need_images(images, self)
        n, _, height, width = images.shape
        drawn = torch.from_numpy(stamp(self.text, height, width).copy()).to(images.device, images.dtype)
        alpha = images.new_zeros((n, 1, height, width))
        room = (height - drawn.shape[0] + 1, width - drawn.shape[1] + 1)
        tops, lefts = (torch.randint(r, (n,), generator=generator, device=generator.device).tolist() for r in room)
        for one, (top, left) in enumerate(zip(tops, lefts, strict=True)):
            alpha[one, 0, top : top + drawn.shape[0], left : left + drawn.shape[1]] = self.opacity * drawn
        return images * (1 - alpha) + alpha


@lru_cache(maxsize=16)
def stamp(text: str, height: int, width: int) -> np.ndarray:
    """Render text with Pillow's default font as ink per pixel, with maximum 1, for images of a given size.

    It is at most 0.8 of the image wide, and at least 3 pixels high if the image is: on small images the letters blur,
    but the mark stays visible.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(DRAWN)
    left, top, right, bottom = (round(x) for x in font.getbbox(text))
    canvas = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(canvas).text((1 - left, 1 - top), text, fill=255, font=font)
    canvas = canvas.crop(canvas.getbbox())
    wide = max(1, int(WIDEST * width))
    high = min(height, max(LOWEST, round(wide * canvas.height / canvas.width)))
    ink = np.asarray(canvas.resize((wide, high), Image.Resampling.BOX), np.float32)
    return np.asarray(ink / ink.max())
