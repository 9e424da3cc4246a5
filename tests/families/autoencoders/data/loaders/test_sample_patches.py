"""Patches of photographs: no pixel is in two of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_sample_images

from veilbench.families.autoencoders.data.loaders.sample_patches import SamplePatches, cut_patches
from veilbench.families.autoencoders.data.raw import Raw, Source
from veilbench.families.autoencoders.data.rows import PARTS, RowsData

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]


@pytest.mark.parametrize(("size", "count"), [(32, 520), (16, 2080), (8, 8480), (30, 588), (400, 2)])
def test_the_grid_is_as_large_as_the_photographs_allow(size: int, count: int, reading: Reading) -> None:
    raw = reading(SamplePatches(size))
    assert raw.x.shape == (count, 3, size, size)
    assert raw.labels == ["china", "flower"]
    assert np.bincount(raw.y).tolist() == [count // 2] * 2
    assert 0 <= raw.x.min() < 0.05
    assert 0.95 < raw.x.max() <= 1


@pytest.mark.parametrize("seed", range(5))
def test_no_pixel_is_in_two_patches(seed: int) -> None:
    numbered = np.arange(427 * 640).reshape(427, 640, 1)
    cut = cut_patches(numbered, 32, np.random.default_rng(seed))
    assert len(np.unique(cut)) == cut.size == 260 * 1024


def test_each_patch_is_a_window_of_the_image_at_a_place_that_is_drawn() -> None:
    image = np.random.default_rng(0).random((21, 34, 3))
    windows = sliding_window_view(image, (4, 4), axis=(0, 1))
    places = {windows[i, j].tobytes(): (i, j) for i in range(18) for j in range(31)}
    offsets = set()
    for seed in range(20):
        cut = cut_patches(image, 4, np.random.default_rng(seed))
        found = np.array([places[np.ascontiguousarray(patch).tobytes()] for patch in cut]).reshape(5, 8, 2)
        assert set(np.diff(found[..., 0], axis=0).ravel()) == set(np.diff(found[..., 1], axis=1).ravel()) == {4}
        offsets.add(tuple(found[0, 0].tolist()))
    assert len(offsets) > 3


def test_parts_of_the_data_share_no_pixel(tmp_path: Path) -> None:
    numbered = Numbered()
    data = RowsData(numbered)
    data.prepare(tmp_path)
    rows = data.load(tmp_path)
    pixels = [set(np.round(getattr(rows, part).x).astype(int).ravel().tolist()) for part in PARTS]
    assert sum(map(len, pixels)) == len(set.union(*pixels)) == 260 * 1024


class Numbered:
    """Patches of an image whose pixels are all different."""

    def read(self, rng: np.random.Generator) -> Raw:
        x = cut_patches(np.arange(427 * 640).reshape(427, 640, 1), 32, rng)
        return Raw(x, np.zeros(len(x), int), [], ["all"])


def test_a_count_takes_some_at_random(reading: Reading, refusal: Refusal) -> None:
    some, everything = reading(SamplePatches(32, 100)), reading(SamplePatches(32))
    assert some.x.shape == (100, 3, 32, 32)
    assert {x.tobytes() for x in some.x} < {x.tobytes() for x in everything.x}
    assert set(some.y.tolist()) == {0, 1}
    assert "data.source.count=521: there are 520 patches of size 32" in refusal(SamplePatches(32, 521))


def test_grey_is_luma(reading: Reading) -> None:
    colour, grey = reading(SamplePatches(64)).x, reading(SamplePatches(64, grey=True)).x
    assert grey.shape == (len(colour), 1, 64, 64)
    assert np.allclose(grey[:, 0], 0.299 * colour[:, 0] + 0.587 * colour[:, 1] + 0.114 * colour[:, 2], atol=1e-6)


def test_the_colours_are_in_their_order(reading: Reading) -> None:
    china = load_sample_images().images[0] / 255
    raw = reading(SamplePatches(400))
    assert np.allclose(raw.x[0].mean((1, 2)), china.mean((0, 1)), atol=0.05)


def test_a_size_beyond_the_photographs_is_refused() -> None:
    with pytest.raises(ValueError, match="size=401 must be 400 or less"):
        SamplePatches(401)
