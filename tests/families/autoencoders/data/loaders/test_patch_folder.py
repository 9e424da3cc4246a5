"""Patches of photographs in folders, and the photographs whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.loaders.patch_folder import PatchFolder
from veilbench.families.autoencoders.data.loaders.whole_images import WholeImages
from veilbench.families.autoencoders.data.raw import Raw, Source

SIZES = {"one.png": (20, 33), "two.png": (17, 16), "ten10.png": (8, 8), "ten9.png": (9, 8)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every pixel of all images has a value of its own."""
    first = 0
    for name, (high, wide) in SIZES.items():
        values = np.arange(first, first + high * wide).reshape(high, wide)
        Image.fromarray(values.astype(np.uint16)).save(tmp_path / name)
        first += high * wide
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_no_pixel_is_in_two_patches_and_none_is_made_up(folder: Path, reading: Callable[[Source], Raw]) -> None:
    raw = reading(PatchFolder(str(folder), 8, grey=True))
    assert raw.labels == ["one.png", "ten9.png", "ten10.png", "two.png"]
    assert np.bincount(raw.y).tolist() == [2 * 4, 1, 1, 2 * 2]
    pixels = np.rint(raw.x * 65535).astype(int)
    assert len(np.unique(pixels)) == pixels.size
    assert np.array_equal(pixels[0, 0, :, 1:], pixels[0, 0, :, :-1] + 1)  # neighbours stay neighbours
    assert np.array_equal(pixels[0, 0, 1:], pixels[0, 0, :-1] + 33)
    assert "notes.txt" in raw.notes[0]


def test_scales_add_patches_of_smaller_images(folder: Path, reading: Callable[[Source], Raw]) -> None:
    (folder / "ten9.png").unlink()
    (folder / "ten10.png").unlink()
    raw = reading(PatchFolder(str(folder), 8, [1.0, 0.5]))
    assert np.bincount(raw.y).tolist() == [8 + 1 * 2, 4 + 1]
    assert raw.x.shape[1:] == (3, 8, 8)
    for small, large in ((raw.x[8:10], raw.x[:8]), (raw.x[14:], raw.x[10:14])):  # of the same image, every second pixel
        steps = np.diff(small[0, 0], axis=1)[:, 1:-1] / np.diff(large[0, 0], axis=1).mean()
        assert steps == pytest.approx(2, rel=0.2)


def test_what_cannot_be_cut_is_named(folder: Path, tmp_path: Path, refusal: Callable[[Source], str]) -> None:
    assert "size=17: the image " in refusal(PatchFolder(str(folder), 17))
    for name in ("one.png", "ten9.png", "ten10.png"):
        (folder / name).unlink()
    assert "two.png has 8 x 8 pixels at scale 0.5" in refusal(PatchFolder(str(folder), 9, [0.5]))
    (tmp_path / "empty").mkdir()
    assert "holds no images; .png" in refusal(PatchFolder(str(tmp_path / "empty")))
    assert "there is no such folder" in refusal(PatchFolder(str(tmp_path / "absent")))


def test_whole_images_keep_their_own_sizes(folder: Path, tmp_path: Path) -> None:
    wholes = WholeImages(str(folder), True).read([])
    assert {name: x.shape[1:] for name, x in wholes.items()} == SIZES
    assert list(wholes) == ["one.png", "ten9.png", "ten10.png", "two.png"]
    assert np.array_equal(np.rint(wholes["one.png"][0] * 65535), np.arange(660).reshape(20, 33))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        WholeImages(str(tmp_path / "empty")).read([])
