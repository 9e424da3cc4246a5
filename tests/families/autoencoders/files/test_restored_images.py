"""`veilbench autoencoder restore`: the files hold what the model itself makes of the images."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from fitting import Refusal, Train
from PIL import Image

from command_line import run
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.data.row_format import load_row_format
from veilbench.families.autoencoders.schemes.base import Restorer

GREY = ("data=images", "data.source.path=images", "data.source.size=12", "data.source.grey=true", "model=median")


@pytest.fixture(autouse=True)
def images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(24):
        pixels = rng.integers(0, 256, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    Image.fromarray(rng.integers(0, 256, (10, 14), np.uint8)).save(tmp_path / "large.png")


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.float64) / 255


@pytest.mark.parametrize("scale", ["none", "minmax", "standard"])
def test_a_grey_image_is_what_the_model_makes_of_it(scale: str, tmp_path: Path, train: Train) -> None:
    folder = train(*GREY, f"data.scale={scale}")
    grey = Image.open("images/0.png").convert("L")
    grey.save("grey.png")
    assert run("autoencoder", "restore", folder, "grey.png", "--out", "restored") == 0
    scaling, model = load_row_format(folder).scaling, cast(Restorer, load_trained_model(folder))
    rows = (np.asarray(grey, np.float32)[None, None] / np.float32(255) - scaling.shift) / scaling.width
    expected = model.restore_rows(rows.astype(np.float32))[0] * scaling.width + scaling.shift
    restored = pixels(tmp_path / "restored" / "grey.png")
    assert np.array_equal(np.rint(restored * 255), np.rint(255 * np.clip(expected[0], 0, 1)))
    assert not np.array_equal(restored, pixels(tmp_path / "grey.png"))
    assert (scaling.shift.shape == ()) == (scale == "none")


def test_colours_are_restored_and_the_same_command_writes_again(tmp_path: Path, train: Train) -> None:
    folder = train(*GREY[:3], "model=median")
    for _ in range(2):
        assert run("autoencoder", "restore", folder, "images/0.png", "images/1.png", "--out", "restored") == 0
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == ["0.png", "1.png"]
    model = cast(Restorer, load_trained_model(folder))
    image = pixels(tmp_path / "images" / "1.png").transpose(2, 0, 1)[None].astype(np.float32)
    expected = np.clip(model.restore_rows(image)[0], 0, 1).transpose(1, 2, 0)
    np.testing.assert_allclose(pixels(tmp_path / "restored" / "1.png"), expected, atol=0.5 / 255 + 1e-6)


def test_a_model_of_photographs_takes_any_size(tmp_path: Path, train: Train) -> None:
    words = ["data=set12", "data.source.path=images", "data.source.size=8", "data.source.scales=[1.0]"]
    folder = train(*words, "data.wholes.path=images", "model=median")
    assert run("autoencoder", "restore", folder, "large.png", "--out", "restored") == 0
    assert pixels(tmp_path / "restored" / "large.png").shape == (10, 14)


def test_bad_input_is_one_line_and_leaves_no_folder(tmp_path: Path, train: Train, refusal: Refusal) -> None:
    folder, restore = train(*GREY), ("autoencoder", "restore")
    shutil.copytree("images", "others")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("precious")
    for words, said in {
        ("images/0.png", "large.png", "--out", "new"): "large.png has 14 x 10 pixels, and the model takes 12 x 12",
        ("nothing.png", "--out", "new"): "cannot read nothing.png: there is no such file",
        ("train/model.json", "--out", "new"): "the image train/model.json cannot be read",
        ("images/0.png", "others/0.png", "--out", "new"): "2 images would be written to new/0.png; rename one",
        ("images/0.png", "--out", "images"): "images/0.png lies in images, which is replaced as a whole",
        ("images/0.png", "--out", "mine"): "mine holds letter.txt",
        ("images/0.png", "--out", "large.png"): "cannot write the folder large.png",
    }.items():
        assert said in refusal(*restore, folder, *words)
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "mine" / "letter.txt").read_text() == "precious"
    assert len(list((tmp_path / "images").iterdir())) == 24


def test_models_that_restore_no_images(tmp_path: Path, train: Train, refusal: Refusal) -> None:
    folder = train(*GREY[:4], "model=mahalanobis")
    said = refusal("autoencoder", "restore", folder, "images/0.png", "--out", "new")
    assert "holds a Mahalanobis, which restores no images; a restorer is needed" in said
