"""Patches and whole photographs: both are there, and no pixel of the one is in the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.loaders.patch_folder import PatchFolder
from veilbench.families.autoencoders.data.loaders.sample_patches import SamplePatches
from veilbench.families.autoencoders.data.loaders.whole_images import WholeImages
from veilbench.families.autoencoders.data.photographs import Photographs, PhotographsData
from veilbench.families.autoencoders.data.rows import PARTS


@pytest.fixture
def made(tmp_path: Path) -> PhotographsData:
    rng = np.random.default_rng(0)
    for name, shapes in {"learn": [(40, 48), (32, 40)], "test": [(50, 60), (33, 20)]}.items():
        (tmp_path / name).mkdir()
        for number, shape in enumerate(shapes):
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / name / f"{number}.png")
    wholes = WholeImages(str(tmp_path / "test"), True)
    return PhotographsData(PatchFolder(str(tmp_path / "learn"), 8, grey=True), wholes, [0.7, 0.1, 0.1, 0.1])


def loaded(data: PhotographsData, folder: Path) -> Photographs:
    folder.mkdir()
    data.prepare(folder)
    return data.load(folder)


def test_patches_are_dealt_and_wholes_are_whole(made: PhotographsData, tmp_path: Path) -> None:
    rows = loaded(made, tmp_path / "prepared")
    assert [len(getattr(rows, part)) for part in PARTS] == [35, 5, 5, 5]
    assert rows.shape == (1, 8, 8)
    patches = np.concatenate([getattr(rows, part).x for part in PARTS])
    assert len(np.unique(patches.reshape(50, -1), axis=0)) == 50
    assert {name: x.shape for name, x in rows.wholes.items()} == {"0.png": (1, 50, 60), "1.png": (1, 33, 20)}
    with Image.open(tmp_path / "test" / "1.png") as image:
        assert np.allclose(rows.wholes["1.png"][0] * 255, np.asarray(image))


def test_the_same_seed_deals_the_same(made: PhotographsData, tmp_path: Path) -> None:
    one, again = (loaded(made, tmp_path / name) for name in ("one", "again"))
    assert np.array_equal(one.train.x, again.train.x)
    made.seed = 1
    assert not np.array_equal(loaded(made, tmp_path / "other").train.x, one.train.x)


def test_patches_come_from_several_folders(made: PhotographsData, tmp_path: Path) -> None:
    assert isinstance(made.source, PatchFolder)
    folders = [str(tmp_path / name) for name in ("learn", "test")]
    raw = PatchFolder(folders, 8, grey=True).read(np.random.default_rng(0))
    one, other = (PatchFolder(folder, 8, grey=True) for folder in folders)
    rng = np.random.default_rng(0)
    assert np.array_equal(raw.x, np.concatenate([one.read(rng).x, other.read(rng).x]))
    assert np.bincount(raw.y).tolist() == [30, 20, 42, 8]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds no images"):
        PatchFolder([folders[0], str(tmp_path / "empty")], 8).read(rng)


def test_wholes_of_other_channels_are_refused(made: PhotographsData, tmp_path: Path) -> None:
    coloured = PhotographsData(SamplePatches(32), made.wholes)
    with pytest.raises(UserError, match=r"data\.wholes: 0\.png has 1 channels, the patches have 3"):
        loaded(coloured, tmp_path / "prepared")


def test_a_missing_file_is_named(made: PhotographsData, tmp_path: Path) -> None:
    loaded(made, tmp_path / "prepared")
    (tmp_path / "prepared" / "wholes" / "rows.safetensors").unlink()
    with pytest.raises(UserError, match=r"lacks .*wholes/rows\.safetensors"):
        made.load(tmp_path / "prepared")
