"""Images in folders: every format gives the pixels that were written, and every bad image is named."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilbench.families.autoencoders.data.loaders.image_folder import ImageFolder
from veilbench.families.autoencoders.data.raw import Raw, Source

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


def tiff(x: np.ndarray, order: str = "<", **tags: int) -> bytes:
    """A plain TIFF file: one strip, tags as the specification names them (TIFF 6.0, section 8)."""
    numbers = {"photometric": 262, "orientation": 274, "sample_format": 339, "bits": 258}
    entries = {256: x.shape[1], 257: x.shape[0], 258: 8 * x.dtype.itemsize, 259: 1, 262: 1, 273: 8, 277: 1}
    content = x.astype(x.dtype.newbyteorder(order)).tobytes()
    entries |= {278: x.shape[0], 279: len(content)} | {numbers[name]: value for name, value in tags.items()}
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(content))
    listed = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, entries[tag]) for tag in sorted(entries))
    return head + content + struct.pack(f"{order}H", len(entries)) + listed + bytes(4)


def png(x: np.ndarray, colour: int) -> bytes:
    """A PNG file with the depth of x, 8 or 16 bits; colour 2: RGB, 4: grey and alpha, 6: RGB and alpha."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", x.shape[1], x.shape[0], 8 * x.dtype.itemsize, colour, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(x.dtype.newbyteorder(">")).tobytes() for row in x)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


DEEP = np.random.default_rng(1).integers(0, 65536, (5, 4)).astype(np.uint16)
DEEP_COLOUR = np.random.default_rng(2).integers(0, 65536, (5, 4, 4)).astype(np.uint16)


@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_of_16_bits_is_read_in_either_order_of_its_bytes(order: str, tmp_path: Path, reading: Reading) -> None:
    (tmp_path / "one.tif").write_bytes(tiff(DEEP, order))
    assert np.allclose(reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0] * 65535, DEEP, atol=0.01)


@pytest.mark.parametrize("x", [DEEP, DEEP.astype(np.uint8)])
def test_where_white_is_zero_dark_and_bright_are_turned_round(x: np.ndarray, tmp_path: Path, reading: Reading) -> None:
    (tmp_path / "one.tif").write_bytes(tiff(x, photometric=0))
    brightest = np.iinfo(x.dtype).max
    read = reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0]
    assert np.allclose(read * brightest, brightest - x.astype(float), atol=0.01)


def test_grey_of_12_bits_is_scaled_by_its_own_range(tmp_path: Path, reading: Reading) -> None:
    first, second = 0xFFF, 0x801  # two numbers fill three bytes
    packed = np.array([[first >> 4, (first & 15) << 4 | second >> 8, second & 255]] * 3, np.uint8)
    whole = tiff(packed, bits=12)
    whole = whole.replace(struct.pack("<HHII", 256, 4, 1, 3), struct.pack("<HHII", 256, 4, 1, 2))
    (tmp_path / "one.tif").write_bytes(whole)
    assert np.allclose(reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0], [[1, second / 4095]] * 3)


@pytest.mark.parametrize("brightest", [100, 255, 1000, 65535])
def test_a_pgm_is_scaled_by_the_brightest_value_in_its_head(brightest: int, tmp_path: Path, reading: Reading) -> None:
    x = DEEP.astype(int) % (brightest + 1)
    content = x.astype(">u2" if brightest > 255 else "u1").tobytes()
    (tmp_path / "one.pgm").write_bytes(b"P5\n4 5\n%d\n" % brightest + content)
    read = reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0]
    assert np.allclose(read, x / brightest, atol=0.51 / (255 if brightest < 256 else 65535))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tif", tiff(DEEP.astype(np.uint32)), "32 bits, or with a sign (mode I)"),
        ("a.tif", tiff(DEEP.astype(np.int32) * 300, sample_format=2), "32 bits, or with a sign (mode I)"),
        ("a.tif", tiff(DEEP.astype(np.int16), sample_format=2), "32 bits, or with a sign (mode I)"),
        ("a.tif", tiff(DEEP.astype(np.int8), sample_format=2), "its pixels have a sign (mode L)"),
        ("a.tif", tiff(DEEP / np.float32(9), sample_format=3), "its pixels are floats (mode F)"),
        ("a.png", png(DEEP_COLOUR[..., :3], 2), "more than 8 bits in each of several channels (mode RGB)"),
        ("a.png", png(DEEP_COLOUR, 6), "more than 8 bits in each of several channels (mode RGBA)"),
        ("a.png", png(DEEP_COLOUR[..., :2], 4), "more than 8 bits in each of several channels (mode RGBA)"),
        ("a.ppm", b"P6\n4 5\n65535\n" + DEEP_COLOUR[..., :3].tobytes(), "more than 8 bits in each of several"),
        ("a.ppm", b"P6\n4 5\n1000\n" + bytes(120), "more than 8 bits in each of several channels (mode RGB)"),
        ("a.ppm", b"Pf\n4 5\n-1.0\n" + DEEP.astype(np.float32).tobytes(), "its pixels are floats (mode F)"),
    ],
)
def test_depth_that_cannot_be_kept_is_refused_with_the_mode(
    name: str, content: bytes, said: str, tmp_path: Path, refusal: Refusal
) -> None:
    (tmp_path / name).write_bytes(content)
    line = refusal(ImageFolder(str(tmp_path)))
    assert said in line
    assert str(tmp_path / name) in line


def test_eight_bits_through_the_same_writers_are_read(tmp_path: Path, reading: Reading) -> None:
    shallow = DEEP_COLOUR.astype(np.uint8)
    for colour, channels in ((2, 3), (6, 4), (4, 2)):
        (tmp_path / "one.png").write_bytes(png(shallow[..., :channels], colour))
        read = reading(ImageFolder(str(tmp_path))).x[0].transpose(1, 2, 0) * 255
        assert np.allclose(read, shallow[..., :3] if colour != 4 else shallow[..., :1])  # what is transparent, too


@pytest.mark.parametrize("x", [DEEP, DEEP.astype(np.uint8)])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_every_turn_of_exif_is_made(suffix: str, x: np.ndarray, tmp_path: Path, reading: Reading) -> None:
    turned = [x, x[:, ::-1], x[::-1, ::-1], x[::-1], x.T, np.rot90(x, -1), x[::-1, ::-1].T, np.rot90(x)]
    for orientation, expected in enumerate(turned, 1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        written(tmp_path / f"one.{suffix}", x, exif=exif)
        read = reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0]
        assert read.shape == expected.shape
        assert np.allclose(read * np.iinfo(x.dtype).max, expected, atol=0.01)


def test_inks_become_colours(tmp_path: Path, reading: Reading) -> None:
    ink = DEEP_COLOUR.astype(np.uint8)
    Image.frombytes("CMYK", (4, 5), ink.tobytes()).save(tmp_path / "one.tif")
    light = 1 - ink / 255
    expected = (light[..., :3] * light[..., 3:]).transpose(2, 0, 1)
    assert np.allclose(reading(ImageFolder(str(tmp_path))).x[0], expected, atol=1 / 255)


@pytest.mark.parametrize("transparency", [0, bytes(range(256))])
def test_transparency_of_a_palette_is_dropped(transparency: object, tmp_path: Path, reading: Reading) -> None:
    palette = Image.fromarray(COLOUR).convert("P")
    palette.save(tmp_path / "one.png", transparency=transparency)
    expected = np.asarray(palette.convert("RGB"))
    assert np.allclose(reading(ImageFolder(str(tmp_path))).x[0].transpose(1, 2, 0) * 255, expected)


def test_black_and_white_of_one_bit_are_0_and_1(tmp_path: Path, reading: Reading) -> None:
    for suffix in ("png", "tif", "bmp"):
        Image.fromarray(DEEP > 30_000).save(tmp_path / f"one.{suffix}")
        assert np.array_equal(reading(ImageFolder(str(tmp_path), grey=True)).x[0, 0], DEEP > 30_000)
        (tmp_path / f"one.{suffix}").unlink()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_of_several_images_in_a_file_the_first_is_taken_and_noted(
    suffix: str, tmp_path: Path, reading: Reading
) -> None:
    written(tmp_path / f"one.{suffix}", save_all=True, append_images=[Image.fromarray(255 - COLOUR)])
    raw = reading(ImageFolder(str(tmp_path)))
    assert np.allclose(raw.x[0].transpose(1, 2, 0) * 255, COLOUR)
    assert raw.notes[0].endswith(f"1 files such as one.{suffix} hold several images, of which the first is taken")


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "tif", "ppm"])
def test_an_image_that_lacks_its_end_is_refused(suffix: str, tmp_path: Path, refusal: Refusal) -> None:
    path = written(tmp_path / f"a.{suffix}", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    assert f"the image {path} cannot be read: " in refusal(ImageFolder(str(tmp_path)))


def test_an_image_that_says_it_is_huge_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    bomb = bytearray(png(np.zeros((2, 2, 3), np.uint8), 2))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    (tmp_path / "a.png").write_bytes(bomb)
    assert "exceeds limit" in refusal(ImageFolder(str(tmp_path)))


def test_folders_without_images_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "there is no such folder" in refusal(ImageFolder(str(tmp_path / "none")))
    assert "holds no images; .png, .jpg" in refusal(ImageFolder(str(tmp_path)))
    written(tmp_path / "a" / "one.png")
    written(tmp_path / "two.png")
    assert "holds both images such as two.png and folders of images" in refusal(ImageFolder(str(tmp_path)))


def test_real_photographs_are_read(shared: Path, reading: Reading) -> None:
    folder = shared / "restoration" / "Kodak"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    raw = reading(ImageFolder(str(folder)))
    with Image.open(folder / "kodim01.png") as image:
        assert np.allclose(raw.x[0].transpose(1, 2, 0) * 255, np.asarray(image.convert("RGB")))
    assert reading(ImageFolder(str(folder), 32, True)).x.shape == (8, 1, 32, 32)
