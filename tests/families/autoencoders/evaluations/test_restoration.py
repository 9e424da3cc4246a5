"""Restoration: on restorers whose result is known, and the closed form of the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Metric
from veilbench.corruptions.base import corrupt_array
from veilbench.corruptions.blur import Blur
from veilbench.corruptions.gaussian import Gaussian
from veilbench.corruptions.greyscale import Greyscale
from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.total_variation import TotalVariation
from veilbench.families.autoencoders.baselines.wiener import Wiener
from veilbench.families.autoencoders.data.photographs import Photographs
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.restoration import Restoration

RNG = np.random.default_rng(0)


class Untouched(FittedRestorer):
    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        return rows


class Oracle(Untouched):
    """Has the clean images, in the order of the test."""

    names = ("clean",)

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"clean": rows.test.x}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        return self["clean"][: len(rows)]


class Broken(Untouched):
    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        return rows * np.inf


def test_noise_has_its_closed_form_and_untouched_images_gain_nothing(examine: Any, digits: Rows) -> None:
    metrics = examine(Restoration(Gaussian(0.1)), Untouched().fit(digits, RNG), digits).metrics
    assert metrics["psnr_before"].value == pytest.approx(20, abs=0.15)  # -10 log10 of 0.01
    assert metrics["psnr_after"] == metrics["psnr_before"]
    assert metrics["ssim_after"] == metrics["ssim_before"]
    assert metrics["psnr_gain"] == Metric(0, 0, 0, 200, "Student t over 200 images, 95 %")


def test_an_oracle_gives_everything_back(examine: Any, digits: Rows) -> None:
    metrics = examine(Restoration(Gaussian(0.2), images=50), Oracle().fit(digits, RNG), digits).metrics
    assert metrics["psnr_after"].value == 100
    assert metrics["ssim_after"].value == pytest.approx(1)
    assert metrics["ssim_before"].value < 0.95
    assert metrics["psnr_after"].n == 50


@pytest.mark.parametrize("name", ["digits", "colours"])
def test_baselines_stand_beside_the_model(
    examine: Any, name: str, request: pytest.FixtureRequest, pixels: Callable[..., np.ndarray]
) -> None:
    rows = request.getfixturevalue(name)
    baselines = [Wiener(0.2), TotalVariation(0.2)]
    found = examine(Restoration(Gaussian(0.2), baselines, images=20), Untouched().fit(rows, RNG), rows)
    lines = {line[0]: line[1].value for line in found.tables[0].rows}
    assert list(lines) == ["corrupted", "this model", "Wiener", "TotalVariation"]
    assert lines["Wiener"] > lines["corrupted"] + 2
    assert found.metrics["psnr_over_best_baseline"].value == pytest.approx(lines["this model"] - max(lines.values()))
    assert found.metrics["psnr_over_best_baseline"].high < 0
    assert found.tables[0].title == "Against the clean images, Gaussian sigma 0.2"
    shown = pixels(found.pictures[0])
    side = -(-48 // rows.shape[1]) * rows.shape[1] + 2
    assert shown.shape == (5 * side, 8 * side, 3)
    np.testing.assert_array_equal(shown[side : 2 * side], shown[2 * side : 3 * side])  # corrupted; untouched
    assert (shown[:side] != shown[side : 2 * side]).mean() > 0.5


def test_the_baseline_that_the_model_is_gives_the_same(examine: Any, digits: Rows) -> None:
    found = examine(Restoration(Gaussian(0.1), [Wiener(0.1)]), Wiener(0.1).fit(digits, RNG), digits)
    assert found.metrics["psnr_over_best_baseline"].value == pytest.approx(0, abs=1e-9)
    assert found.metrics["psnr_gain"].low > 1


class Telling(Untouched):
    """Shrinks rows by the noise level that it was told, and those that lie on their side a little more."""

    told_by: object = None

    def for_corruption(self, corruption: Gaussian) -> Telling:  # type: ignore[override]
        told = Telling(corruption.sigma)
        told.told_by = corruption
        return told

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        assert self.told_by is not None
        return rows * (1 - self.sigma * np.linspace(0, 1, rows.shape[3])).astype(np.float32)


def test_the_model_is_told_the_corruption_and_may_restore_in_eight_positions(examine: Any, digits: Rows) -> None:
    plain, eightfold = (
        examine(Restoration(Gaussian(0.1), [Wiener(0.1)], 20, eightfold), Telling(0.9), digits)
        for eightfold in (False, True)
    )
    lines = [{line[0]: line[1].value for line in found.tables[0].rows} for found in (plain, eightfold)]
    assert lines[0]["Wiener"] == lines[1]["Wiener"]
    assert lines[0]["corrupted"] == lines[1]["corrupted"]
    # the mean of the eight shrinks every pixel by half the level, so that the error is known
    noisy = corrupt_array(Gaussian(0.1), digits.test.x[:20], np.random.default_rng(np.random.SeedSequence(5)))
    for line, shrunk in ((lines[0], 1 - 0.1 * np.linspace(0, 1, 8)), (lines[1], 0.95)):
        errors = np.square(noisy * shrunk - digits.test.x[:20]).mean((1, 2, 3))
        assert line["this model"] == pytest.approx(float(np.mean(-10 * np.log10(errors))), abs=1e-4)


def test_what_it_does_not_apply_to_says_so(examine: Any, digits: Rows, table: Rows) -> None:
    with pytest.raises(NotImplementedError, match="Pca restores nothing"):
        examine(Restoration(Gaussian()), Pca(2).fit(digits, RNG), digits)
    with pytest.raises(NotImplementedError, match=r"not on rows of shape \(10,\)"):
        examine(Restoration(Blur()), Untouched(), table)
    with pytest.raises(UserError, match="corruption: Greyscale takes the colour"):
        examine(Restoration(Greyscale()), Untouched(), digits)
    with pytest.raises(UserError, match="that this model gives back are not finite"):
        examine(Restoration(Gaussian()), Broken(), digits)
    with pytest.raises(UserError, match="Wiener twice"):
        examine(Restoration(Gaussian(), [Wiener(0.1), Wiener(0.2)]), Untouched(), digits)


def test_whole_images_of_any_size_are_measured_one_by_one(
    examine: Any, digits: Rows, pixels: Callable[..., np.ndarray]
) -> None:
    rng = np.random.default_rng(0)
    wholes = {f"{n}.png": rng.random((1, *size)).astype(np.float32) for n, size in enumerate([(40, 60), (200, 150)])}
    data = Photographs(**vars(digits), wholes=wholes)
    found = examine(Restoration(Gaussian(0.1), [Wiener(0.1, 4)]), Untouched().fit(data, RNG), data)
    assert found.metrics["psnr_before"].n == 2  # the patches of the test are not measured on
    table, decibels, likeness = found.tables
    assert (decibels.title, list(decibels.columns)) == (
        "PSNR, dB, of each image",
        ["", "corrupted", "this model", "Wiener"],
    )
    assert [line[0] for line in decibels.rows] == [line[0] for line in likeness.rows] == ["0.png", "1.png"]
    for line in decibels.rows:
        assert line[1] == line[2] == pytest.approx(20, abs=0.5)
    wiener = float(np.mean([line[3] for line in decibels.rows]))
    assert next(line for line in table.rows if line[0] == "Wiener")[1].value == pytest.approx(wiener)
    shown = pixels(found.pictures[0])  # the squares in the middle: as large as the smaller image
    assert shown.shape == (4 * (2 * 40 + 2), 2 * (2 * 60 + 2), 3)
    one = examine(Restoration(Gaussian(0.1), images=2), Untouched(), data)
    assert one.metrics["psnr_before"] == found.metrics["psnr_before"]
