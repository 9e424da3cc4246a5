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


def test_gaps_are_white_and_large_images_stay_as_they_are() -> None:
    shown = pixels(picture("black", [("x", np.zeros((2, 1, SMALLEST + 1, 30)))]).png)
    assert shown.shape == (SMALLEST + 1 + GAP, 2 * (30 + GAP))
    gap = np.ones(shown.shape, bool)
    gap[: SMALLEST + 1, :30] = gap[: SMALLEST + 1, 30 + GAP : 60 + GAP] = False
    assert (shown[gap] == 255).all()
    assert (shown[~gap] == 0).all()


@pytest.mark.parametrize(("height", "factor"), [(1, 48), (23, 3), (24, 2), (25, 2), (47, 2), (48, 1)])
def test_the_factor_is_the_least_that_makes_an_image_high_enough(height: int, factor: int) -> None:
    shown = pixels(picture("one", [("x", np.zeros((1, 1, height, 5)))]).png)
    assert shown.shape == (height * factor + GAP, 5 * factor + GAP)


def test_one_colour_is_enough_for_three_channels() -> None:
    image = np.full((1, 3, 50, 50), 0.5)
    image[0, 2, 7, 9] = 1  # only the third channel, of one pixel, differs
    shown = pixels(picture("colour", [("x", image)]).png)
    assert shown.shape == (50 + GAP, 50 + GAP, 3)
    assert shown[7, 9].tolist() == [128, 128, 255]
    assert (shown[0, :50, :2] == 128).all()


@pytest.mark.parametrize("other", [(3, 1, 4, 4), (2, 1, 4, 5)])
def test_rows_of_another_number_or_width_are_refused(other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"got \(2, 1, 4, 4\), "):
        picture("no", [("a", np.zeros((2, 1, 4, 4))), ("b", np.zeros(other))])
    assert picture("yes", [("a", np.zeros((2, 1, 4, 4))), ("b", np.zeros((2, 3, 4, 4)))]).png  # grey beside colour
