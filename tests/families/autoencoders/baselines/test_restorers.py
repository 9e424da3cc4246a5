"""Restoring baselines: closed forms, laws whose best answer is known, and the interface that all of them keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from skimage.restoration import denoise_tv_chambolle
from sklearn.datasets import load_digits

from veilbench.bench.defaults import fill
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build, check
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.baselines import wiener
from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.baselines.kernel_mmse import KernelMmse
from veilbench.families.autoencoders.baselines.nlm import Nlm
from veilbench.families.autoencoders.baselines.total_variation import TotalVariation
from veilbench.families.autoencoders.baselines.wavelet import Wavelet
from veilbench.families.autoencoders.baselines.wiener import Wiener
from veilbench.families.autoencoders.data.rows import Part, Rows

SIGMA = 0.25
ALL = [Wiener(SIGMA), KernelMmse(SIGMA), Nlm(SIGMA), TotalVariation(SIGMA), Wavelet(SIGMA)]
CONF = Path(__file__).parents[4] / "conf" / "model"


def by_name(model: object) -> str:
    return type(model).__name__


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dealt(x: np.ndarray) -> Rows:
    parts = [Part(x[i::4].astype(np.float32), np.zeros(len(x[i::4]), np.int64)) for i in range(4)]
    return Rows(*parts, [], ["all"], False, [])


@pytest.fixture(scope="module", params=["grey 8x8", "colour 20x17"])
def rows(request: pytest.FixtureRequest) -> Rows:
    if request.param == "grey 8x8":
        return dealt(load_digits().images[:800, None] / 16)
    smooth = rng(1).random((80, 3, 4, 4)).repeat(5, 2).repeat(5, 3)  # coloured squares
    return dealt(smooth[..., :17])


def noisy(rows: Rows, n: int = 15) -> np.ndarray:
    clean = rows.test.x[:n]
    return (clean + rng(3).normal(0, SIGMA, clean.shape)).astype(np.float32)


def error(images: np.ndarray, rows: Rows) -> float:
    return float(((images - rows.test.x[: len(images)]) ** 2).mean())


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_each_takes_noise_away_and_restores_each_image_on_its_own(model: FittedRestorer, rows: Rows) -> None:
    fitted, given = model.fit(rows, rng()), noisy(rows)
    back = fitted.restore_rows(given)
    assert (back.shape, back.dtype) == (given.shape, np.float32)
    if isinstance(model, KernelMmse) and rows.shape[0] == 3:  # none of these images is like another: it cannot
        assert error(back, rows) > error(given, rows)
    else:
        assert error(back, rows) < (0.5 if isinstance(model, Wiener) else 0.8) * error(given, rows)
    np.testing.assert_allclose(fitted.restore_rows(given[4:6]), back[4:6], atol=1e-5)


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_what_is_saved_restores_the_same(model: FittedRestorer, rows: Rows, tmp_path: Path) -> None:
    fitted = model.fit(rows, rng())
    fitted.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, type(model))
    assert back.settings() == model.settings()
    np.testing.assert_array_equal(back.restore_rows(noisy(rows, 5)), fitted.restore_rows(noisy(rows, 5)))


def gaussian_law(n: int, sigma: float) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Images 4 x 4 of a normal law with a known mean and covariance, which the training rows show well."""
    mixing, mean = rng(1).normal(size=(16, 16)) / 4, rng(2).random(16)
    x = rng(3).normal(size=(n, 16)) @ mixing.T + mean
    return dealt(x.reshape(-1, 1, 4, 4)), mean, mixing @ mixing.T


def test_wiener_is_the_posterior_mean_of_a_normal_law() -> None:
    data, mean, covariance = gaussian_law(40_000, 0.5)
    given = (data.test.x + rng(5).normal(0, 0.5, data.test.x.shape)).astype(np.float32)
    gain = covariance @ np.linalg.inv(covariance + 0.25 * np.eye(16))
    wanted = (given.reshape(-1, 16) - mean) @ gain.T + mean
    back = Wiener(0.5).fit(data, rng()).restore_rows(given)
    assert np.abs(back.reshape(-1, 16) - wanted).max() < 0.15
    assert np.corrcoef(back.ravel(), wanted.ravel())[0, 1] > 0.9995
    best = np.trace(covariance - gain @ covariance) / 16  # the posterior's variance
    assert ((back - data.test.x) ** 2).mean() == pytest.approx(best, rel=0.03)


def test_wiener_with_one_pixel_patches_shrinks_every_pixel_alike() -> None:
    data = dealt(rng().normal(0.5, 0.2, (4000, 1, 5, 5)))
    given = data.test.x[:9] + 0.1
    m, v = data.train.x.astype(float).mean(), data.train.x.astype(float).var()
    wanted = m + v / (v + 0.01) * (given - m)
    np.testing.assert_allclose(Wiener(0.1, patch=1).fit(data, rng()).restore_rows(given), wanted, atol=1e-3)


@pytest.mark.parametrize("strip", [1, 4, 64])
def test_wiener_averages_overlapping_patches_as_a_plain_loop_does(
    rows: Rows, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiener, "STRIP", strip)
    fitted, image = Wiener(SIGMA, patch=3).fit(rows, rng()), noisy(rows, 1)
    channels, height, width = rows.shape
    total, times = np.zeros(rows.shape), np.zeros(rows.shape)
    for top in range(height - 2):
        for left in range(width - 2):
            cut = image[0, :, top : top + 3, left : left + 3]
            estimate = fitted["map"].T @ (cut - fitted["mean"]).ravel() + fitted["mean"].ravel()
            total[:, top : top + 3, left : left + 3] += estimate.reshape(channels, 3, 3)
            times[:, top : top + 3, left : left + 3] += 1
    np.testing.assert_allclose(fitted.restore_rows(image)[0], total / times, atol=1e-6)


def test_kernel_mmse_is_the_plain_sum(rows: Rows) -> None:
    given = noisy(rows, 4)
    for seen, back in zip(given, KernelMmse(SIGMA).fit(rows, rng()).restore_rows(given), strict=True):
        distances = ((rows.train.x.astype(float) - seen) ** 2).sum((1, 2, 3))
        weights = np.exp(-(distances - distances.min()) / (2 * SIGMA**2))
        wanted = (weights[:, None, None, None] * rows.train.x).sum(0) / weights.sum()
        np.testing.assert_allclose(back, wanted, atol=1e-5)


def test_kernel_mmse_goes_from_the_nearest_image_to_the_mean(rows: Rows) -> None:
    given = rows.train.x[:3]
    np.testing.assert_allclose(KernelMmse(0.01).fit(rows, rng()).restore_rows(given), given, atol=1e-4)
    blind = KernelMmse(1e4).fit(rows, rng()).restore_rows(given)
    np.testing.assert_allclose(blind[0], rows.train.x.mean(0), atol=1e-3)


def test_kernel_mmse_is_the_best_of_all_where_the_prior_is_true() -> None:
    known = dealt(np.tile(load_digits().images[:40, None] / 16, (4, 1, 1, 1)).repeat(4, 0))  # every part holds all 40
    errors = {by_name(s): error(s.fit(known, rng()).restore_rows(noisy(known, 40)), known) for s in ALL}
    assert min(errors, key=lambda name: errors[name]) == "KernelMmse"


def test_the_tuned_strength_is_the_best_of_those_tried(rows: Rows) -> None:
    fitted = TotalVariation(SIGMA).fit(rows, rng(1))
    clean = rows.validation.x[:24]
    spoiled = (clean + rng(1).normal(0, SIGMA, clean.shape)).astype(np.float32)
    errors = {
        factor: np.mean(
            [
                (denoise_tv_chambolle(s, factor * SIGMA, channel_axis=0) - c) ** 2
                for s, c in zip(spoiled, clean, strict=True)
            ]
        )
        for factor in TotalVariation.factors
    }
    assert fitted["strength"][0] == SIGMA * min(errors, key=lambda factor: errors[factor])
    assert len({round(error, 8) for error in errors.values()}) == len(errors)


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_tables_and_bad_noise_are_refused(model: FittedRestorer) -> None:
    table = [Part(np.zeros((3, 7), np.float32), np.zeros(3, np.int64))] * 4
    with pytest.raises(UserError, match=r"restores images; these rows have the shape \(7,\)"):
        model.fit(Rows(*table, [], ["all"], False, []), rng())
    with pytest.raises(ValueError, match="sigma=0 must be above 0"):
        type(model)(sigma=0)


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_the_config_leaves_every_argument_at_its_default(model: FittedRestorer) -> None:
    home = type(model).__module__.rpartition(".")[2]
    node = fill(yaml.safe_load((CONF / f"{home}.yaml").read_text()))
    check(node, "model")
    built = build(node)
    assert type(built) is type(model)
    assert built.settings() == {key: value for key, value in node.items() if key != "_target_"}
    assert built.settings() == type(model)().settings()


@pytest.mark.parametrize(
    ("patch", "n", "shape", "side"),
    [
        (None, 200, (1, 10, 10), (1, 10, 10)),
        (None, 199, (1, 10, 10), (1, 8, 8)),  # too few images
        (None, 2100, (1, 2, 513), (1, 2, 8)),  # too large ones
        (None, 4, (3, 20, 18), (3, 8, 8)),
        (4, 200, (1, 10, 10), (1, 4, 4)),
        (12, 4, (3, 20, 9), (3, 12, 9)),
    ],
)
def test_wieners_patches_are_as_large_as_said(
    patch: int | None, n: int, shape: tuple[int, ...], side: tuple[int, ...]
) -> None:
    data = dealt(rng().random((4 * n, *shape)))
    assert Wiener(SIGMA, patch).fit(data, rng())["mean"].shape == side
    assert Wiener(SIGMA, patch).fit(data, rng()).restore_rows(data.test.x[:3]).shape == (3, *shape)
