from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from veilbench.metrics import ledoit_wolf as module
from veilbench.metrics.ledoit_wolf import ledoit_wolf


@pytest.mark.parametrize(("n", "p"), [(200, 12), (20, 40), (5000, 3)])
def test_it_is_scikit_learns(n: int, p: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, p)) @ rng.standard_normal((p, p)) + 3
    theirs = LedoitWolf().fit(rows)
    for block in (n, 7):  # for several block sizes
        monkeypatch.setattr(module, "AT_ONCE", block)
        mean, covariance, precision = ledoit_wolf(rows)
        np.testing.assert_allclose(mean, theirs.location_)
        np.testing.assert_allclose(covariance, theirs.covariance_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(precision, theirs.precision_, rtol=1e-6, atol=1e-9 * np.abs(precision).max())


def test_what_does_not_vary_has_no_inverse_and_no_nan() -> None:
    mean, covariance, precision = ledoit_wolf(np.ones((5, 3), np.float32))
    assert np.array_equal(mean, np.ones(3))
    assert not covariance.any()
    assert not precision.any()


def test_rows_that_are_all_noise_are_shrunk_to_a_multiple_of_the_unit_matrix() -> None:
    rows = np.array([[1.0, 0.1], [-0.9, 0.2], [0.1, 1.0], [0.0, -1.1], [0.05, 0.0]])  # about as wide in any direction
    theirs = LedoitWolf().fit(rows)
    assert theirs.shrinkage_ == 1
    _, covariance, _ = ledoit_wolf(rows)
    np.testing.assert_allclose(covariance, theirs.covariance_, atol=1e-12)
    np.testing.assert_allclose(covariance, np.eye(2) * np.trace(np.cov(rows.T, ddof=0)) / 2, atol=1e-12)
