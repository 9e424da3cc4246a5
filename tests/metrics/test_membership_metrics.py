"""Membership metrics and the likelihood ratio, against scikit-learn, loops and distributions with known values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from veilbench.metrics.gaussian_ratio import halves, offline, online
from veilbench.metrics.membership import advantage, auroc, auroc_interval, tpr_at_fpr
from veilbench.metrics.nearest import Norm, nearest


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


def test_the_online_ratio_is_the_best_possible_one_where_the_laws_are_known() -> None:
    rng = np.random.default_rng(0)
    n, shadows = 4000, 64
    hard, gap = 3 * rng.standard_normal(n), 1.0
    inside = rng.permuted(np.tile((np.arange(shadows) < 32)[:, None], n), axis=0)
    losses = hard - gap * inside + rng.standard_normal((shadows, n))
    member = rng.random(n) < 0.5
    target = hard - gap * member + rng.standard_normal(n)
    ideal = gap * (hard - gap / 2 - target)
    made = online(target, losses, inside)
    assert auroc(made[member], made[~member]) == pytest.approx(auroc(ideal[member], ideal[~member]), abs=0.01)
    assert auroc(-target[member], -target[~member]) < 0.62 < 0.75 < auroc(made[member], made[~member])
    np.testing.assert_allclose(made, ideal, atol=1.5)
    outside = offline(target, losses + gap * inside)
    np.testing.assert_allclose(outside, hard - target, atol=0.7)


def test_a_gap_that_is_noise_is_drawn_to_the_mean_gap() -> None:
    """Without shrinkage, a row's sign would be random with only four shadows."""
    rng = np.random.default_rng(1)
    n, inside = 3000, np.repeat([[True], [False]], 2, 0) & np.ones((4, 3000), bool)
    losses = rng.standard_normal((4, n)) - 0.3 * inside
    member = np.arange(n) < n // 2
    target = rng.standard_normal(n) - 4.0 * member
    made = online(target, losses, inside)
    assert auroc(made[member], made[~member]) > 0.97


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_nearest_row_is_that_of_a_plain_loop(norm: Norm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.metrics.nearest.BLOCK", 100)  # several blocks
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((23, 2, 3)), rng.standard_normal((31, 2, 3))
    places, distances = nearest(x, y, norm)
    for row, place, distance in zip(x, places, distances, strict=True):
        far = [np.linalg.norm((row - other).ravel(), 2 if norm == "l2" else np.inf) for other in y]
        assert place == int(np.argmin(far))
        assert distance == pytest.approx(min(far))
    with pytest.raises(ValueError, match="empty pool"):
        nearest(x, y[:0])


def test_losses_that_are_not_finite_and_rows_without_two_means_are_named() -> None:
    rng = np.random.default_rng(0)
    target, losses, inside = rng.normal(size=6), rng.normal(size=(4, 6)), halves(4, 6, rng)
    assert np.isfinite(online(target, losses, inside)).all()
    broken = np.where(np.arange(6) == 2, np.inf, target)
    for score in (
        lambda: online(broken, losses, inside),
        lambda: offline(broken, losses),
    ):
        with pytest.raises(ValueError, match="1 of 6 losses of the target are not finite"):
            score()
    with pytest.raises(ValueError, match="6 of 24 losses of the shadows are not finite"):
        online(target, np.where(np.arange(4)[:, None] == 1, np.nan, losses), inside)
    with pytest.raises(ValueError, match="2 of 6 rows are in all of the 4 shadows or in none"):
        online(target, losses, np.where(np.arange(6) < 2, np.arange(6) == 1, inside))
