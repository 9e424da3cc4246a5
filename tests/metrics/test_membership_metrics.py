"""Membership metrics and the likelihood ratio, against scikit-learn, loops and distributions with known values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from veilbench.metrics.membership import advantage, auroc, auroc_interval, tpr_at_fpr


def drawn(shift: float, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.standard_normal(n) + shift, 1), np.round(rng.standard_normal(n + 50), 1)  # with ties


def test_auroc_advantage_and_rates_are_those_of_scikit_learn() -> None:
    members, others = drawn(0.7)
    truth, scores = np.repeat([1, 0], [300, 350]), np.concatenate([members, others])
    assert auroc(members, others) == pytest.approx(roc_auc_score(truth, scores))
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert advantage(members, others) == pytest.approx((tpr - fpr).max())
    for rate in (0.01, 0.1, 0.5):
        assert tpr_at_fpr(members, others, rate).value == pytest.approx(tpr[fpr <= rate].max())


def test_a_rate_that_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(ValueError, match="350 non-members cannot resolve a false positive rate"):
        tpr_at_fpr(*drawn(1), 0.001)
    assert tpr_at_fpr(np.arange(10.0), np.arange(1000.0), 0.001).value == 0
    assert tpr_at_fpr(np.arange(10.0), np.arange(5.0), 1.0).value == 1


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Two normal distributions one standard deviation apart: the true value is Phi(1 / sqrt 2)."""
    truth, covered = 0.7602, 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        made = auroc_interval(rng.standard_normal(80) + 1, rng.standard_normal(80), rng, 0.9)
        covered += made.low <= truth <= made.high
    assert 23 <= covered <= 30  # 27 expected


def test_the_interval_is_that_of_resampled_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws, each judged by scikit-learn."""
    monkeypatch.setattr("veilbench.metrics.membership.RESAMPLES", 40)
    members, others = drawn(0.5, 60)
    made = auroc_interval(members, others, np.random.default_rng(7), 0.9)
    rng, truth, rounds = np.random.default_rng(7), np.repeat([1, 0], [60, 110]), []
    for _ in range(40):
        scores = [rng.choice(members, 60), rng.choice(others, 110)]
        rounds.append(roc_auc_score(truth, np.concatenate(scores)))
    assert (made.low, made.high) == pytest.approx(np.percentile(rounds, [5, 95]))
    assert made.value == pytest.approx(roc_auc_score(truth, np.concatenate([members, others])))
    assert made.n == 170
    assert made.interval == "bootstrap over rows, 90 %"


def test_scores_that_lie_apart_and_scores_that_are_turned_round_have_the_ends_of_the_advantage() -> None:
    low, high = np.arange(4.0), np.arange(10.0, 15.0)
    assert advantage(high, low) == 1
    assert advantage(low, high) == 0
    assert advantage(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0
    assert advantage(np.array([0.0, 2.0]), np.array([0.0, 1.0])) == 0.5


@pytest.mark.parametrize("fpr", [0.1, 0.2, 0.3, 0.55, 0.9, 1.0])
def test_the_threshold_is_the_lowest_that_so_many_others_exceed(fpr: float) -> None:
    others, members = np.arange(10.0), np.arange(10) + 0.5  # one member just above each of the others
    allowed = [t for t in [-1.0, *others] if (others > t).sum() <= fpr * 10 + 1e-12]
    found = tpr_at_fpr(members, others, fpr, 0.9)
    assert found.value == (members > min(allowed)).mean()
    assert (found.n, found.interval) == (10, "Clopper-Pearson 90 %")
