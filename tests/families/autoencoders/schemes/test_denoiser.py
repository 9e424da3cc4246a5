"""A trained denoiser: what is saved is what restores, and the noise level is told or estimated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.corruptions.blur import Blur
from veilbench.corruptions.gaussian import Gaussian
from veilbench.families.autoencoders.schemes.base import Restorer
from veilbench.families.autoencoders.schemes.denoiser import Denoiser, estimate_noise
from veilbench.families.autoencoders.schemes.eightfold import restore_eightfold
from veilbench.nets.multi_scale import MultiScale

RNG = np.random.default_rng(0)


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(MultiScale((4, 6)), 0.2, 0.1)


def images(count: int = 2, channels: int = 1) -> np.ndarray:
    return RNG.random((count, channels, 13, 18)).astype(np.float32)


def test_a_saved_model_restores_exactly_the_same(denoiser: Denoiser, tmp_path: Path) -> None:
    denoiser.save(tmp_path)
    again, rows = load_trained_model(tmp_path), images()
    assert isinstance(again, Denoiser)
    assert again.settings() == denoiser.settings()
    assert np.array_equal(again.restore_rows(rows), denoiser.restore_rows(rows))
    assert {array.dtype.name for array in denoiser.arrays().values()} == {"float16"}


def test_images_are_restored_one_by_one_and_colours_channel_by_channel(denoiser: Denoiser) -> None:
    rows = images(3, 3)
    restored = denoiser.restore_rows(rows)
    for row, channel in np.ndindex(3, 3):
        alone = denoiser.restore_rows(rows[row : row + 1, channel : channel + 1])[0, 0]
        np.testing.assert_allclose(restored[row, channel], alone, atol=1e-6)
    assert not Denoiser(MultiScale((4,), images=3)).each_channel


def test_it_uses_the_level_that_it_is_told(denoiser: Denoiser) -> None:
    rows = images(1)
    told = denoiser.for_corruption(Gaussian(0.05))
    assert denoiser.for_corruption(Blur()) is denoiser
    assert denoiser.for_corruption(Gaussian(0)) is denoiser
    with torch.no_grad():
        expected = denoiser.net(torch.from_numpy(rows), torch.tensor([0.05])).numpy()
    assert np.array_equal(told.restore_rows(rows), expected)
    assert np.abs(expected - denoiser.restore_rows(rows)).max() > 1e-4


def test_more_noise_than_in_training_is_scaled_down(denoiser: Denoiser) -> None:
    rows = images(1)
    restored = denoiser.for_corruption(Gaussian(0.5)).restore_rows(rows)
    np.testing.assert_allclose(
        restored, denoiser.for_corruption(Gaussian(0.2)).restore_rows(rows * 0.4) / 0.4, atol=1e-6
    )


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.2])
def test_the_noise_level_is_estimated_for_each_image(denoiser: Denoiser, sigma: float) -> None:
    smooth = np.linspace(0, 1, 200)[:, None] * np.linspace(0, 1, 150)
    noisy = (smooth + RNG.normal(0, sigma, (3, 200, 150))).astype(np.float32)
    assert estimate_noise(noisy) == pytest.approx(sigma, rel=0.05)
    rows = noisy[:1, None]
    blind = Denoiser(denoiser.net, denoiser.highest)
    told = denoiser.for_corruption(Gaussian(estimate_noise(rows[0])))
    assert np.array_equal(blind.restore_rows(rows), told.restore_rows(rows))
    assert np.isfinite(blind.restore_rows(np.zeros((1, 1, 9, 9), np.float32))).all()  # no noise at all


def test_the_score_is_the_error_after_noise(denoiser: Denoiser) -> None:
    rows = images(3)
    scores = denoiser.score(rows)
    noise = np.random.default_rng(0).normal(0, 0.1, rows.shape[1:])
    for row, score in zip(rows, scores, strict=True):
        with torch.no_grad():
            restored = denoiser.net(torch.from_numpy((row + noise).astype(np.float32))[None], torch.tensor([0.1]))
        assert score == pytest.approx(float(((restored.numpy()[0] - row) ** 2).mean()), rel=1e-4)
    assert np.array_equal(denoiser.score(rows[1:]), scores[1:])


class Shear(Restorer):
    """A restorer that depends on the position of the image."""

    def settings(self) -> dict[str, object]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restore(cls, settings: dict[str, object], arrays: dict[str, np.ndarray]) -> Shear:
        return cls()

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        row = np.arange(rows.shape[2])[:, None]
        return (rows * (1 + row) + np.arange(rows.shape[3]) ** 2).astype(np.float32)


def test_eightfold_is_the_mean_over_turns_and_reflections() -> None:
    rows = images(2, 3)
    moves = [lambda x: x, lambda x: x[..., ::-1], lambda x: x[..., ::-1, :], lambda x: x[..., ::-1, ::-1]]
    moves += [lambda x, m=move: m(x).swapaxes(2, 3) for move in moves]
    back = moves[:4] + [lambda x, m=move: m(x.swapaxes(2, 3)) for move in moves[:4]]
    restored = [undo(Shear().restore_rows(move(rows))) for move, undo in zip(moves, back, strict=True)]
    assert len({answer.tobytes() for answer in restored}) == 8
    np.testing.assert_allclose(restore_eightfold(Shear(), rows), np.mean(restored, 0), rtol=1e-5)


def test_damaged_models_are_one_line(denoiser: Denoiser, tmp_path: Path) -> None:
    settings, arrays = denoiser.settings(), denoiser.arrays()
    name = "head.weight"
    for changed, weights, said in (
        ({**settings, "sigma": -1.0}, arrays, "sigma=-1.0"),
        ({**settings, "sigma": "much"}, arrays, "sigma='much'"),
        ({**settings, "net": {"channels": [4, 6]}}, arrays, "settings.net.blocks is missing"),
        ({**settings, "net": {**settings["net"], "channels": [0]}}, arrays, "channels"),
        ({**settings, "net": 3}, arrays, "settings.net=3"),
        ({"sigma": None, "highest": 1.0}, arrays, "settings.net=None"),
        (settings, {**arrays, name: arrays[name].astype(np.float32)}, "head.weight is of type float32"),
        (settings, {**arrays, name: arrays[name][:1]}, "head.weight has shape"),
        (settings, {**arrays, name: arrays[name] * np.float16(np.nan)}, "head.weight holds nan"),
        (settings, {key: array for key, array in arrays.items() if key != name}, "head.weight is missing"),
    ):
        with pytest.raises((ValueError, UserError)) as caught:
            Denoiser.restore(changed, weights)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
