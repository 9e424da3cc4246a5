"""`veilbench autoencoder restore`: the files hold what the model itself makes of the images."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from fitting import Refusal, Train
from PIL import Image
from sklearn.datasets import load_sample_images

from command_line import run
from veilbench.bench.trained_model import load_trained_model
from veilbench.corruptions.gaussian import Gaussian
from veilbench.families.autoencoders.data.row_format import load_row_format
from veilbench.families.autoencoders.included import find_model
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


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one - other) ** 2)))


def spoil(sigma: float, name: str) -> np.ndarray:
    """Save a noisy part of a photograph, and give back the clean one."""
    clean = load_sample_images().images[0][40:170, 300:431]
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(name)
    return np.asarray(clean) / 255


def test_the_included_denoiser_restores_colours_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clean, noisy = spoil(25, "photo.png"), pixels(tmp_path / "photo.png")
    quality = {}
    for name, words in {
        "told": ("--sigma", "25"),
        "eightfold": ("--sigma", "25", "--eightfold"),
        "estimated": (),
        "wrong": ("--sigma", "5"),
    }.items():
        assert run("autoencoder", "restore", "denoiser", "photo.png", "--out", name, *words) == 0
        quality[name] = decibels(pixels(tmp_path / name / "photo.png"), clean)
    assert quality["told"] > decibels(noisy, clean) + 6
    assert quality["eightfold"] > quality["told"]
    assert quality["estimated"] > quality["told"] - 0.5
    assert quality["wrong"] < quality["told"] - 3
    model = cast(Restorer, load_trained_model(find_model(Path("denoiser")))).for_corruption(Gaussian(25 / 255))
    for channel in range(3):
        alone = model.restore_rows(noisy[None, None, ..., channel].astype(np.float32))[0, 0]
        told = pixels(tmp_path / "told" / "photo.png")[..., channel]
        np.testing.assert_allclose(told, np.clip(alone, 0, 1), atol=0.5 / 255 + 1e-4)


def test_grey_images_stay_grey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("autoencoder", "restore", "denoiser", "large.png", "--out", "restored") == 0
    assert pixels(tmp_path / "restored" / "large.png").shape == (10, 14)


def test_a_folder_of_that_name_comes_before_the_included_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (find_model(Path("denoiser")) / "model.json").is_file()
    (tmp_path / "denoiser").mkdir()
    for name in ("denoiser", "nothing", "denoiser/x", "../included"):
        assert find_model(Path(name)) == Path(name)


def test_levels_that_cannot_be_used_are_one_line(tmp_path: Path, train: Train, refusal: Refusal) -> None:
    folder = train(*GREY)
    for model, sigma, said in (
        ("denoiser", "0", "--sigma 0 is not allowed: the noise has above 0 and at most 255 grey levels"),
        ("denoiser", "nan", "--sigma nan is not allowed"),
        ("denoiser", "300", "--sigma 300 is not allowed"),
        (folder, "25", "--sigma 25 is not allowed: Median cannot be told a noise level"),
    ):
        assert said in refusal("autoencoder", "restore", model, "images/0.png", "--out", "new", "--sigma", sigma)
        assert not (tmp_path / "new").exists()


def test_models_that_restore_no_images(tmp_path: Path, train: Train, refusal: Refusal) -> None:
    folder = train(*GREY[:4], "model=mahalanobis")
    said = refusal("autoencoder", "restore", folder, "images/0.png", "--out", "new")
    assert "holds a Mahalanobis, which restores no images; a restorer is needed" in said
