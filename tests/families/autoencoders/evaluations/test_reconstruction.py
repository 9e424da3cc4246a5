"""Reconstruction: on codes whose errors are known, and against a plain computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Metric
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.random_code import RandomCode
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.reconstruction import Reconstruction

RNG = np.random.default_rng(0)


class Wasteful(IdentityCode):
    """A code with a dead unit, one that hardly moves, and one that one row alone uses."""

    def encode(self, rows: np.ndarray) -> np.ndarray:
        codes = super().encode(rows)
        codes[:, 0], codes[:, 1], codes[:, 2] = 0, 1e-4, np.arange(len(rows)) == 7
        codes[:, 3:] = 1
        return codes


class Broken(IdentityCode):
    def decode(self, codes: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(codes))[:, None] == 3, np.nan, codes).reshape(len(codes), *self["shape"])


def test_pca_is_as_good_as_pca(examine: Any, digits: Rows) -> None:
    found = examine(Reconstruction(), Pca(8).fit(digits, RNG), digits)
    flat, train = (part.x.reshape(300, -1).astype(float) for part in (digits.test, digits.train))
    reference = PCA(8, svd_solver="full").fit(train)
    wanted = ((reference.inverse_transform(reference.transform(flat)) - flat) ** 2).mean()
    assert found.metrics["mse"].value == pytest.approx(wanted, rel=1e-4)
    assert found.metrics["mse_of_pca"].value == pytest.approx(wanted, rel=1e-4)
    assert found.metrics["mse_of_mean"].value == pytest.approx(((flat - train.mean(0)) ** 2).mean(), rel=1e-4)
    assert found.metrics["mse"].low < wanted < found.metrics["mse"].high
    assert found.metrics["mse"].n == 300
    assert found.tables[0].rows[1][0] == "8 principal components"


def test_a_code_of_everything_loses_nothing_and_one_of_nothing_loses_all(examine: Any, digits: Rows) -> None:
    all_of_it = examine(Reconstruction(), IdentityCode().fit(digits, RNG), digits).metrics
    assert all_of_it["mse"].value == 0
    assert all_of_it["psnr"].value == 100
    assert all_of_it["ssim"].value == pytest.approx(1)
    nothing = examine(Reconstruction(), RandomCode(4).fit(digits, RNG), digits).metrics
    assert nothing["mse"].value == pytest.approx(nothing["mse_of_mean"].value, rel=1e-6)
    assert nothing["mse"].value > nothing["mse_of_pca"].high
    assert (nothing["active_units"].value, nothing["code_size"].value) == (1, 4)


def test_active_units_are_counted(examine: Any, digits: Rows) -> None:
    metrics = examine(Reconstruction(), Wasteful().fit(digits, RNG), digits).metrics
    assert metrics["active_units"] == Metric.exact(62 / 64, 64, "share")
    assert metrics["active_per_row"].value == pytest.approx((61 * 300 + 1) / 300 / 64)


@pytest.mark.parametrize("name", ["digits", "colours"])
def test_images_are_compared_and_shown(
    examine: Any, name: str, request: pytest.FixtureRequest, pixels: Callable[..., np.ndarray]
) -> None:
    rows = request.getfixturevalue(name)
    found = examine(Reconstruction(images=15), Pca(3).fit(rows, RNG), rows)
    assert found.metrics["psnr"].n == found.metrics["ssim"].n == 15
    assert found.metrics["mse"].n == len(rows.test)
    lines = {line[0]: line[1:] for line in found.tables[0].rows}
    assert lines["this model"][1] == found.metrics["psnr"]
    assert lines["mean training row"][1].value < found.metrics["psnr"].value
    shown = pixels(found.pictures[0])
    side = -(-48 // rows.shape[1]) * rows.shape[1]
    assert shown.shape == (3 * (side + 2), 10 * (side + 2), 3)
    factor = side // rows.shape[1]
    first = shown[:side:factor, :side:factor].transpose(2, 0, 1)
    np.testing.assert_allclose(first, np.broadcast_to(rows.test.x[0] * 255, first.shape), atol=0.6)


def test_tables_have_errors_alone(examine: Any, table: Rows) -> None:
    found = examine(Reconstruction(), Pca(3).fit(table, RNG), table)
    assert not found.pictures
    assert found.metrics.keys() == {"mse", "mse_of_pca", "mse_of_mean", "code_size", "active_units", "active_per_row"}
    assert len(found.tables[0].columns) == 2


def test_a_code_longer_than_the_row_is_noted(examine: Any, table: Rows) -> None:
    found = examine(Reconstruction(), RandomCode(30).fit(table, RNG), table)
    assert found.metrics["mse_of_pca"].value < 1e-10
    assert "30 values; there are 10 principal components" in found.notes[0]


def test_what_it_does_not_apply_to_says_so(examine: Any, digits: Rows) -> None:
    with pytest.raises(NotImplementedError, match="InputNorm gives no rows back"):
        examine(Reconstruction(), InputNorm(), digits)
    with pytest.raises(NotImplementedError, match="not on str"):
        examine(Reconstruction(), Pca(), "text")
    with pytest.raises(UserError, match=r"64 of 19200 values that its decoder gives back are not finite"):
        examine(Reconstruction(), Broken().fit(digits, RNG), digits)


def test_errors_of_normal_rows_and_of_anomalies_are_kept_apart(examine: Any, oddities: Rows) -> None:
    trained = Pca(1).fit(oddities, RNG)
    found = examine(Reconstruction(), trained, oddities)
    errors = ((trained.reconstruct(oddities.test.x) - oddities.test.x) ** 2).mean(1)
    odd = oddities.test.y == 1
    metrics = found.metrics
    assert metrics["mse"].value == pytest.approx(errors[~odd].mean(), rel=1e-5)
    assert metrics["mse_anomalies"].value == pytest.approx(errors[odd].mean(), rel=1e-5)
    assert (metrics["mse"].n, metrics["mse_anomalies"].n) == (500, 100)
    assert metrics["mse_anomalies"].low > 5 * metrics["mse"].high
    table = found.tables[0]
    assert table.columns == ["", "mean squared error, normal rows", "mean squared error, anomalies"]
    assert table.rows[0][1:] == [metrics["mse"], metrics["mse_anomalies"]]
