"""Images in folders: every format gives the pixels that were written, and every bad image is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilbench.data.loaders.image_folder import ImageFolder
from veilbench.data.raw import Raw, Source

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]
COLOUR = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


def written(path: Path, pixels: np.ndarray = COLOUR, **settings: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "TIFF", "PNG", "ppm"])
def test_lossless_formats_give_the_pixels_back(suffix: str, tmp_path: Path, reading: Reading) -> None:
    written(tmp_path / f"one.{suffix}")
    raw = reading(ImageFolder(str(tmp_path)))
    assert raw.x.shape == (1, 3, 5, 4)
    assert np.allclose(raw.x[0].transpose(1, 2, 0) * 255, COLOUR)
    assert (raw.labels, raw.features, raw.notes) == (["all"], [], [])


@pytest.mark.parametrize("suffix", ["pgm", "png", "bmp"])
def test_grey_images_have_one_channel_or_three_equal_ones(suffix: str, tmp_path: Path, reading: Reading) -> None:
    written(tmp_path / f"one.{suffix}", COLOUR[..., 0])
    grey, colour = (reading(ImageFolder(str(tmp_path), grey=grey)).x for grey in (True, False))
    assert np.allclose(grey[0, 0] * 255, COLOUR[..., 0])
    assert np.array_equal(colour, np.repeat(grey, 3, axis=1))


def test_jpg_is_nearly_what_was_written(tmp_path: Path, reading: Reading) -> None:
    smooth = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8)
    written(tmp_path / "one.jpg", smooth, quality=95)
    assert np.abs(reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0] * 255 - smooth).max() < 8


def test_grey_is_luma(tmp_path: Path, reading: Reading) -> None:
    written(tmp_path / "one.png")
    grey = reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0]
    assert np.allclose(grey * 255, COLOUR @ np.array([0.299, 0.587, 0.114]), atol=1)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_keep_their_depth(suffix: str, tmp_path: Path, reading: Reading) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (6, 7)).astype(np.uint16)
    written(tmp_path / f"one.{suffix}", deep)
    raw = reading(ImageFolder(str(tmp_path)))
    assert np.allclose(raw.x[0, 1] * 65535, deep, atol=0.01)


def test_folders_are_labels_in_their_order(tmp_path: Path, reading: Reading) -> None:
    shades = {"dog": [3, 4], "cat": [1, 2], "eel": [5]}
    for label, values in shades.items():
        for value in values:
            written(tmp_path / label / f"{value}.png", np.full((2, 2), value, np.uint8))
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    raw = reading(ImageFolder(str(tmp_path), grey=True))
    assert raw.labels == ["cat", "dog", "eel"]
    assert (raw.x[:, 0, 0, 0] * 255).round().tolist() == [1, 2, 3, 4, 5]
    assert raw.y.tolist() == [0, 0, 1, 1, 2]


def test_other_files_are_left_out_and_counted(tmp_path: Path, reading: Reading) -> None:
    written(tmp_path / "a" / "one.png")
    for name in ("notes.txt", "more.txt", ".DS_Store"):
        (tmp_path / "a" / name).write_text("no image")
    assert reading(ImageFolder(str(tmp_path))).notes == ["a: 2 files such as more.txt are no images and left out"]


def test_different_sizes_need_a_size(tmp_path: Path, reading: Reading, refusal: Refusal) -> None:
    written(tmp_path / "a.png")
    written(tmp_path / "b.png", np.zeros((8, 8, 3), np.uint8))
    said = refusal(ImageFolder(str(tmp_path)))
    assert "a.png has 4 x 5 and " in said
    assert "b.png has 8 x 8 pixels; set data.source.size" in said
    assert reading(ImageFolder(str(tmp_path), size=4)).x.shape == (2, 3, 4, 4)


def test_resizing_takes_the_centred_square_and_averages(tmp_path: Path, reading: Reading) -> None:
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200  # the centre
    written(tmp_path / "one.png", wide)
    square = reading(ImageFolder(str(tmp_path), 4, True)).x[0, 0] * 255
    assert np.allclose(square[:, 1:3], 200, atol=1)
    assert square.min() > 150  # the filter at the edges sees a little of what lies beyond
    stripes = np.tile(np.array([0, 100], np.uint8), (64, 32))
    written(tmp_path / "one.png", stripes)
    assert np.allclose(reading(ImageFolder(str(tmp_path), 4, True)).x * 255, 50, atol=8)


def test_an_image_is_turned_as_its_exif_data_says(tmp_path: Path, reading: Reading) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    written(tmp_path / "one.png", exif=exif)
    assert np.allclose(reading(ImageFolder(str(tmp_path))).x[0].transpose(1, 2, 0) * 255, np.rot90(COLOUR, -1))


def test_transparency_is_dropped(tmp_path: Path, reading: Reading) -> None:
    written(tmp_path / "one.png", np.concatenate([COLOUR, np.full((5, 4, 1), 7, np.uint8)], axis=2))
    assert np.allclose(reading(ImageFolder(str(tmp_path))).x[0].transpose(1, 2, 0) * 255, COLOUR)


def test_palettes_become_colours(tmp_path: Path, reading: Reading) -> None:
    few = np.repeat(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8), 4, axis=1)
    Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "one.png")
    assert np.allclose(reading(ImageFolder(str(tmp_path))).x[0].transpose(1, 2, 0) * 255, few)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "pgm"])
def test_a_damaged_image_is_named(suffix: str, tmp_path: Path, refusal: Refusal) -> None:
    written(tmp_path / "a.png")
    path = written(tmp_path / f"broken.{suffix}", np.zeros((64, 64), np.uint8) + np.arange(64, dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:60])
    assert f"the image {path} cannot be read: " in refusal(ImageFolder(str(tmp_path), size=4))
    path.write_text("this is a text")
    assert f"the image {path} cannot be read: " in refusal(ImageFolder(str(tmp_path), size=4))


def test_an_image_of_fractions_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    written(tmp_path / "one.tif", np.ones((3, 3), np.float32))
    assert "its pixels are fractions" in refusal(ImageFolder(str(tmp_path)))


def test_folders_without_images_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "there is no such folder" in refusal(ImageFolder(str(tmp_path / "none")))
    assert "holds no images; .png, .jpg" in refusal(ImageFolder(str(tmp_path)))
    written(tmp_path / "a" / "one.png")
    written(tmp_path / "two.png")
    assert "holds images such as two.png beside folders of images" in refusal(ImageFolder(str(tmp_path)))


def test_real_photographs_are_read(shared: Path, reading: Reading) -> None:
    folder = shared / "restoration" / "Kodak"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    raw = reading(ImageFolder(str(folder)))
    with Image.open(folder / "kodim01.png") as image:
        assert np.allclose(raw.x[0].transpose(1, 2, 0) * 255, np.asarray(image.convert("RGB")))
    assert reading(ImageFolder(str(folder), 32, True)).x.shape == (8, 1, 32, 32)
