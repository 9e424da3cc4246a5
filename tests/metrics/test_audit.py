from __future__ import annotations

import numpy as np
import pytest

from veilbench.metrics.audit import epsilon_at_least


def responses(epsilon: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomised response (Warner 1965): exactly (epsilon, 0) differentially private."""
    rng, honest = np.random.default_rng(seed), 1 / (1 + np.exp(-epsilon))
    return (rng.random(n) < honest).astype(float), (rng.random(n) > honest).astype(float)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_bound_stays_below_the_mechanisms_epsilon_and_comes_near(epsilon: float) -> None:
    found = [
        epsilon_at_least(*responses(epsilon, 20_000, seed), 0.0, np.random.default_rng(seed)).value
        for seed in range(40)
    ]
    assert sum(bound > epsilon for bound in found) <= 6  # 5 % of 40 are 2; 7 would have a chance below 1 %
    assert np.mean(found) > 0.8 * epsilon


def test_choosing_among_many_thresholds_shows_nothing_where_nothing_is() -> None:
    shown = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shown += epsilon_at_least(rng.normal(size=400), rng.normal(size=400), 1e-5, rng).value > 0
    assert shown <= 8  # 5 % of 60 are 3; 9 would have a chance below 1 %


def test_delta_is_taken_off() -> None:
    members, others = np.ones(2_000), np.zeros(2_000)
    without, much = (epsilon_at_least(members, others, d, np.random.default_rng(0)).value for d in (0.0, 0.9))
    assert without - much == pytest.approx(np.log(1 / 0.1), abs=0.1)
