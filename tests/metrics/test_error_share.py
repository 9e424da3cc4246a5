"""The share of a baseline's errors that is gone, against the delta method and a loop over the same draws."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.metrics.error_share import error_share, share_of_best


def test_the_share_of_errors_has_the_spread_of_resampled_rows() -> None:
    rng = np.random.default_rng(0)
    base = rng.exponential(size=400)
    errors = base * rng.uniform(0, 0.5, 400)
    made = error_share(errors, base, rng, 0.95)
    assert made.value == pytest.approx(1 - errors.sum() / base.sum())
    ratio = errors.sum() / base.sum()
    deviation = np.std(errors - ratio * base) / base.mean() / np.sqrt(400)  # the delta method
    assert (made.high - made.low) / 2 == pytest.approx(1.96 * deviation, rel=0.1)
    with pytest.raises(ValueError, match="the rows are all the same"):
        error_share(errors, np.zeros(400), rng, 0.95)


def test_the_interval_is_that_of_resampled_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.metrics.error_share.RESAMPLES", 20)
    monkeypatch.setattr("veilbench.metrics.error_share.BLOCK", 5)
    rng = np.random.default_rng(1)
    errors, base = rng.exponential(size=12), rng.exponential(size=12)
    made = error_share(errors, base, np.random.default_rng(2), 0.8)
    again, rounds = np.random.default_rng(2), []
    for rows in again.integers(12, size=(20, 12)):
        rounds.append(1 - sum(errors[row] for row in rows) / sum(base[row] for row in rows))
    assert (made.low, made.high) == pytest.approx(np.percentile(rounds, [10, 90]))
    assert made.n == 12
    assert made.interval == "bootstrap over rows, 80 %"


def test_the_share_is_one_without_errors_none_for_the_baselines_and_negative_beyond() -> None:
    base = np.array([1.0, 3.0])
    for times, share in ((0.0, 1.0), (1.0, 0.0), (2.0, -1.0)):
        made = error_share(times * base, base, np.random.default_rng(0), 0.95)
        assert (made.low, made.value, made.high) == (share, share, share)


def test_small_errors_are_errors() -> None:
    assert error_share(np.array([1e-9, 0.0]), np.array([2e-9, 2e-9]), np.random.default_rng(0), 0.95).value == 0.75


def test_the_share_of_the_best_guess_is_the_ratio_of_what_is_recovered() -> None:
    rng = np.random.default_rng(0)
    base = rng.exponential(size=400)
    best, errors = 0.2 * base, base * rng.uniform(0.3, 0.7, 400)
    made = share_of_best(errors, best, base, 0.5, rng, 0.99)
    assert made.value == pytest.approx((base - errors).sum() / (base - best).sum())
    alone = error_share(errors, base, rng, 0.99)  # the best guess recovers a fixed share, .8
    assert (made.low, made.high) == pytest.approx((alone.low / 0.8, alone.high / 0.8), rel=0.02)
    poor = share_of_best(errors, 0.9 * base, base, 0.5, rng, 0.99)
    assert poor.value == pytest.approx(alone.value / 0.5)


def test_too_few_rows_for_a_bootstrap_decide_nothing() -> None:
    base = np.ones(49)
    made = share_of_best(0 * base, 0 * base, base, 0.5, np.random.default_rng(0), 0.99)
    assert (made.low, made.value, made.high) == (0, 1, 1)
    assert made.interval == "too few rows for an interval: 49 of 50"


def test_the_interval_covers_the_share_of_the_whole_population() -> None:
    """Skewed errors of 100 rows: the nominal 99 % interval excludes the true share in few of 300 samples."""
    rng, missed = np.random.default_rng(3), 0
    for _ in range(300):
        base = rng.exponential(size=100)
        errors, best = base * rng.uniform(0, 1, 100), base * rng.uniform(0, 0.4, 100)
        made = share_of_best(errors, best, base, 0.5, rng, 0.99)
        missed += not made.low <= 0.5 / 0.8 <= made.high
    assert missed <= 12
