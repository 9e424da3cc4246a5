"""Baselines against known corruptions: references of scikit-image and scikit-learn, closed forms, what each undoes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.ndimage import median_filter
from skimage.restoration import inpaint_biharmonic
from sklearn.datasets import load_sample_images
from sklearn.linear_model import Ridge

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build, check
from veilbench.bench.trained_model import load_trained_model
from veilbench.corruptions.base import corrupt_array
from veilbench.corruptions.blur import Blur
from veilbench.corruptions.gaussian import Gaussian
from veilbench.corruptions.greyscale import Greyscale
from veilbench.corruptions.missing_blocks import MissingBlocks
from veilbench.corruptions.salt_and_pepper import SaltAndPepper
from veilbench.corruptions.watermark import Watermark
from veilbench.families.autoencoders.baselines.biharmonic import Biharmonic
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.baselines.least_squares import LeastSquares
from veilbench.families.autoencoders.baselines.linear_patches import RIDGE, LinearPatches
from veilbench.families.autoencoders.baselines.median import Median
from veilbench.families.autoencoders.baselines.richardson_lucy import RichardsonLucy, blur_kernel
from veilbench.families.autoencoders.baselines.unstamped import Unstamped
from veilbench.families.autoencoders.baselines.wiener_deconvolution import WienerDeconvolution
from veilbench.families.autoencoders.data.loaders.sample_patches import cut_patches
from veilbench.families.autoencoders.data.rows import Part, Rows

CONF = Path(__file__).parents[4] / "conf" / "model"
ALL = [
    Biharmonic(MissingBlocks(2, 4)),
    Biharmonic(SaltAndPepper(0.1)),
    Median(SaltAndPepper(0.1)),
    RichardsonLucy(Blur(1.0)),
    WienerDeconvolution(Blur(1.0)),
    LeastSquares(Blur(1.0)),
    Unstamped(Watermark("SAMPLE", 0.5)),
    LinearPatches(Blur(1.0)),
    LinearPatches(Watermark("SAMPLE", 0.5)),
]


def by_name(trained: object) -> str:
    return type(trained).__name__


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dealt(x: np.ndarray) -> Rows:
    parts = [Part(x[i::4].astype(np.float32), np.zeros(len(x[i::4]), np.int64)) for i in range(4)]
    return Rows(*parts, [], ["all"], False, [])


@pytest.fixture(scope="module", params=[3, 1])
def rows(request: pytest.FixtureRequest) -> Rows:
    """Real patches, 24 x 20, colour or grey, neither quite black nor quite white."""
    squares = cut_patches(load_sample_images().images[0] / 255, 24, rng())[::8, :, :, :20]
    return dealt(0.05 + 0.9 * squares[:, : request.param])


def error(images: np.ndarray, clean: np.ndarray) -> float:
    return float(((images - clean) ** 2).mean())


@pytest.mark.parametrize("trained", ALL, ids=by_name)
def test_each_undoes_its_corruption_saves_and_works_on_each_image_alone(
    trained: CorruptionRestorer, rows: Rows, tmp_path: Path
) -> None:
    clean = rows.test.x[:3]
    given = corrupt_array(trained.corruption, clean, rng(3))
    fitted = trained.fit(rows, rng())
    back = fitted.restore_rows(given)
    assert (back.shape, back.dtype) == (given.shape, np.float32)
    assert error(back, clean) < 0.9 * error(given, clean)
    np.testing.assert_allclose(fitted.restore_rows(given[1:2]), back[1:2], atol=1e-5)
    fitted.save(tmp_path)
    again = load_trained_model(tmp_path)
    assert isinstance(again, type(trained))
    assert again.settings() == trained.settings()
    np.testing.assert_array_equal(again.restore_rows(given), back)


def test_holes_are_found_and_nothing_else_is_touched(rows: Rows) -> None:
    clean = rows.test.x[:3]
    given = corrupt_array(MissingBlocks(2, 5), clean, rng(1))
    holes = given != clean
    back = Biharmonic(MissingBlocks(2, 5)).fit(rows, rng()).restore_rows(given)
    np.testing.assert_array_equal(back[~holes], clean[~holes])
    for one, spoilt, hole in zip(back, given, holes, strict=True):
        np.testing.assert_allclose(one, inpaint_biharmonic(spoilt, hole.all(0), channel_axis=0), atol=1e-5)
    untouched = Biharmonic(MissingBlocks(1, 1)).restore_rows(clean)
    np.testing.assert_array_equal(untouched, clean)
    black = np.zeros_like(clean[:1])
    np.testing.assert_array_equal(Biharmonic(MissingBlocks(1, 1)).restore_rows(black), black)


def test_the_median_is_scipys_with_the_window_that_errs_least(rows: Rows) -> None:
    fitted = Median(SaltAndPepper(0.3)).fit(rows, rng(4))
    clean = rows.validation.x[:24]
    given = corrupt_array(SaltAndPepper(0.3), clean, rng(4))
    errors = {}
    for side in Median.factors:
        planes = [[median_filter(plane, side, mode="nearest") for plane in image] for image in given]
        errors[side] = error(np.array(planes), clean)
    assert fitted["strength"][0] == min(errors, key=lambda side: errors[side])
    assert min(errors.values()) < 0.2 * error(given, clean)


def test_the_kernel_is_the_gaussian() -> None:
    psf = blur_kernel(Blur(1.5))
    places = np.arange(len(psf)) - len(psf) // 2
    gaussian = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    np.testing.assert_allclose(psf, gaussian / gaussian.sum(), atol=1e-6)
    with pytest.raises(TypeError, match="Gaussian has no kernel"):
        blur_kernel(Gaussian())


def test_a_blur_without_noise_is_undone_to_its_rounding_and_one_with_noise_is_not(rows: Rows) -> None:
    clean = rows.test.x[:6]
    given = corrupt_array(Blur(1.0), clean, rng())
    fitted = LeastSquares(Blur(1.0)).fit(rows, rng())
    assert error(fitted.restore_rows(given), clean) < 1e-7
    with_noise = given + rng(1).normal(0, 0.01, given.shape).astype(np.float32)
    assert error(fitted.restore_rows(with_noise), clean) > 100 * error(with_noise, clean)  # it was tuned without


def test_least_squares_is_the_normal_equations_answer(rows: Rows) -> None:
    image = rows.test.x[0, 0].astype(np.float64)
    high, wide = image.shape
    dots = np.eye(high * wide, dtype=np.float32).reshape(-1, 1, high, wide)
    whole = corrupt_array(Blur(1.0), dots, rng()).reshape(high * wide, -1).T.astype(np.float64)
    wanted = np.linalg.solve(whole.T @ whole + 1e-2 * np.eye(len(whole)), whole.T @ image.ravel())
    made = LeastSquares(Blur(1.0)).restore_image(rows.test.x[0, :1], 1e-2)
    np.testing.assert_allclose(made[0].ravel(), wanted, atol=1e-4)


def test_the_known_text_comes_off_but_another_does_not(rows: Rows) -> None:
    clean = rows.test.x
    given = corrupt_array(Watermark("SAMPLE", 0.5), clean, rng(2))
    found = ((Unstamped(Watermark("SAMPLE", 0.5)).fit(rows, rng()).restore_rows(given) - clean) ** 2).mean((1, 2, 3))
    assert (found < 1e-10).mean() > 0.9  # back to rounding, wherever the place was found
    other = Unstamped(Watermark("MINE", 0.5)).fit(rows, rng()).restore_rows(given)
    assert error(other, clean) > 0.5 * error(given, clean)


def test_linear_patches_are_scikit_learns_ridge(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.families.autoencoders.baselines.linear_patches.SIDES", (3,))
    fitted = LinearPatches(Blur(1.0)).fit(rows, rng(6))
    inner = slice(1, -1)
    draws = rng(6)
    seen = corrupt_array(Blur(1.0), rows.train.x, draws)
    every = [(n, y, x) for n in range(len(seen)) for y in range(seen.shape[2]) for x in range(seen.shape[3])]
    padded = np.pad(seen, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    squares = np.array([padded[n, :, y : y + 3, x : x + 3].ravel() for n, y, x in every], np.float64)
    colours = rows.train.x.transpose(0, 2, 3, 1).reshape(-1, seen.shape[1])
    model = Ridge(RIDGE * len(squares)).fit(squares, colours)
    given = corrupt_array(Blur(1.0), rows.test.x[:1], rng())
    windows = np.lib.stride_tricks.sliding_window_view(given[0], (3, 3), (1, 2)).transpose(1, 2, 0, 3, 4)
    wanted = model.predict(windows.reshape(-1, windows[0, 0].size)).reshape(*windows.shape[:2], -1)
    np.testing.assert_allclose(fitted.restore_rows(given)[0, :, inner, inner], wanted.transpose(2, 0, 1), atol=1e-3)


def test_a_corruption_that_it_cannot_undo_is_refused() -> None:
    for kind in (RichardsonLucy, WienerDeconvolution, LeastSquares):
        with pytest.raises(ValueError, match="corruption=Greyscale must be one of: Blur"):
            kind(Greyscale())
    with pytest.raises(ValueError, match="must be one of: MissingBlocks, SaltAndPepper"):
        Biharmonic(Blur())
    with pytest.raises(ValueError, match="must be one of: Watermark"):
        Unstamped(Gaussian())
    table = [Part(np.zeros((3, 7), np.float32), np.zeros(3, np.int64))] * 4
    with pytest.raises(UserError, match=r"Median restores images; these rows have the shape \(7,\)"):
        Median(Gaussian()).fit(Rows(*table, [], ["all"], False, []), rng())


@pytest.mark.parametrize(
    "kind", sorted({type(trained) for trained in ALL}, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__
)
def test_the_config_builds_it(kind: type[CorruptionRestorer]) -> None:
    node = yaml.safe_load((CONF / f"{kind.__module__.rpartition('.')[2]}.yaml").read_text())
    check(node, "model")
    built = build(node)
    assert type(built) is kind
    described = built.settings()["corruption"]
    assert {key: described[key] for key in node["corruption"] if key != "_target_"} == {
        key: value for key, value in node["corruption"].items() if key != "_target_"
    }
