"""Ridge regression against scikit-learn's, with the strength that has the lowest error on held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from veilbench.attack_methods.ridge import STRENGTHS, ridge


@pytest.mark.parametrize("noise", [0.0, 0.3, 30.0])
@pytest.mark.parametrize(("codes", "numbers"), [(5, 400), (60, 7), (6, 3)])
def test_the_strength_is_the_best_one_and_the_map_is_that_of_scikit_learn(
    codes: int, numbers: int, noise: float
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, codes)).astype(np.float32)
    y = (x @ rng.standard_normal((codes, numbers)) + 2 + noise * rng.standard_normal((50, numbers))).astype(np.float32)
    inverse, error = ridge(x[:40], y[:40], x[40:], y[40:])
    scaler = StandardScaler().fit(x[:40].astype(float))
    seen, held_out = scaler.transform(x[:40].astype(float)), scaler.transform(x[40:].astype(float))
    models = [Ridge(40 * strength).fit(seen, y[:40].astype(float)) for strength in STRENGTHS]
    errors = [float(((model.predict(held_out) - y[40:]) ** 2).mean()) for model in models]
    assert error == pytest.approx(min(errors), rel=1e-6)
    found = inverse(x[40:])
    np.testing.assert_allclose(found, models[int(np.argmin(errors))].predict(held_out), rtol=1e-6, atol=1e-6)
