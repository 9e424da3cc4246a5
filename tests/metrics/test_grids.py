from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from veilbench.metrics.grids import GAP, SMALLEST, picture


def pixels(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_every_image_is_at_its_place_enlarged_by_a_whole_factor() -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.random((3, 1, 8, 6)).astype(np.float32), rng.random((3, 3, 8, 6)).astype(np.float32)
    made = picture("two rows", [("grey", grey), ("colour", colour)])
    assert made.description == "rows from above: grey; colour"
    shown, factor = pixels(made.png), SMALLEST // 8
    height, width = 8 * factor + GAP, 6 * factor + GAP
    assert shown.shape == (2 * height, 3 * width, 3)
    for row, images in enumerate((grey, colour)):
        for column in range(3):
            tile = shown[row * height : row * height + 8 * factor, column * width : column * width + 6 * factor]
            wanted = np.broadcast_to(images[column], (3, 8, 6)).transpose(1, 2, 0)
            np.testing.assert_array_equal(tile[::factor, ::factor], (wanted * 255).round().astype(np.uint8))


def test_values_outside_are_cut() -> None:
    made = picture("cut", [("x", np.array([[[[-3.0, 5.0]]]], np.float32))])
    shown = pixels(made.png)
    assert shown.ndim == 2  # grey
    assert shown[0, 0] == 0
    assert shown[0, SMALLEST] == 255


def test_rows_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size and number"):
        picture("no", [("a", np.zeros((2, 1, 4, 4))), ("b", np.zeros((2, 1, 5, 4)))])
