"""Grids of images for the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from veilbench.bench.findings import Picture

GAP, SMALLEST = 2, 48  # pixels between images; smaller tiles are enlarged by integer factors


def picture(title: str, rows: Sequence[tuple[str, np.ndarray]]) -> Picture:
    """Create a grid of images with one row per name.

    Args:
        title: title of the grid.
        rows: pairs of a name and images of shape (n, channels, height, width), 1 or 3 channels, clipped to [0, 1].

    Raises:
        ValueError: the rows differ in the number or size of their images.
    """
    if len({images.shape[0::2] + images.shape[3:] for _, images in rows}) != 1:
        shapes = ", ".join(str(images.shape) for _, images in rows)
        raise ValueError(f"the rows of a grid need images of one size and number, got {shapes}")
    tiled = np.vstack([_strip(images) for _, images in rows])
    names = "; ".join(name for name, _ in rows)
    return Picture(title, f"rows from above: {names}", base64.b64encode(_png(tiled)).decode("ascii"))


def _strip(images: np.ndarray) -> np.ndarray:
    """Join images of shape (n, c, h, w) in [0, 1] to (height, width, 3), uint8, with white gaps right and below."""
    shown = (np.clip(images, 0, 1) * 255).round().astype(np.uint8)
    shown = np.broadcast_to(shown, (len(shown), 3, *shown.shape[2:])).transpose(0, 2, 3, 1)
    factor = max(1, -(-SMALLEST // shown.shape[1]))
    shown = shown.repeat(factor, 1).repeat(factor, 2)
    padded = np.pad(shown, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    return np.hstack(list(padded))


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    if (pixels == pixels[:, :, :1]).all():
        pixels = pixels[:, :, 0]  # a single channel halves the size of grey images
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
