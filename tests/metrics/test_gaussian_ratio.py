"""The likelihood ratio of LiRA, against a plain loop over rows and laws whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.metrics.gaussian_ratio import LEAST, halves, offline, online
from veilbench.metrics.membership import auroc


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
    """Without the shrinking a row's sign would be a matter of luck with four shadows."""
    rng = np.random.default_rng(1)
    n, inside = 3000, np.repeat([[True], [False]], 2, 0) & np.ones((4, 3000), bool)
    losses = rng.standard_normal((4, n)) - 0.3 * inside
    member = np.arange(n) < n // 2
    target = rng.standard_normal(n) - 4.0 * member
    made = online(target, losses, inside)
    assert auroc(made[member], made[~member]) > 0.97


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


def by_a_loop(target: np.ndarray, losses: np.ndarray, inside: np.ndarray) -> list[float]:
    """The ratio of two normal laws, row by row: one variance for all, and gaps that are drawn to their mean."""
    rows = range(len(target))
    ins, outs = ([losses[inside[:, i] == kind, i] for i in rows] for kind in (True, False))
    squares = sum(((side[i] - side[i].mean()) ** 2).sum() for side in (ins, outs) for i in rows)
    variance = squares / (losses.size - 2 * len(target))  # two means for each row
    gaps = [outs[i].mean() - ins[i].mean() for i in rows]
    noise = np.mean([variance / len(ins[i]) + variance / len(outs[i]) for i in rows])
    trust = max(0.0, 1 - noise / np.var(gaps))
    ratios = []
    for i in rows:
        gap = np.mean(gaps) + trust * (gaps[i] - np.mean(gaps))
        gap = max(gap, LEAST * np.sqrt(variance))
        middle = (outs[i].mean() + ins[i].mean()) / 2
        laws = [-((target[i] - middle - side * gap / 2) ** 2) / (2 * variance) for side in (-1, 1)]
        ratios.append(laws[0] - laws[1])  # of the two normal densities' logarithms
    return ratios


@pytest.mark.parametrize("spread", [0.0, 3.0], ids=["gaps that are noise", "gaps that vary"])
def test_the_online_ratio_is_that_of_two_normal_laws(spread: float) -> None:
    rng = np.random.default_rng(2)
    inside = np.array([[1, 1, 0, 1, 0], [0, 1, 0, 1, 1], [1, 0, 1, 0, 1], [0, 0, 1, 1, 0], [0, 1, 0, 0, 0]], bool)
    losses = rng.standard_normal((5, 5)) - inside * (0.5 + spread * np.arange(5))
    target = rng.standard_normal(5)
    np.testing.assert_allclose(online(target, losses, inside), by_a_loop(target, losses, inside))


def test_the_offline_ratio_is_the_distance_in_deviations() -> None:
    rng = np.random.default_rng(3)
    target, losses = rng.standard_normal(7), rng.standard_normal((4, 7)) * 2 + np.arange(7)
    variance = np.mean([np.var(losses[:, i], ddof=1) for i in range(7)])
    wanted = [(losses[:, i].mean() - target[i]) / np.sqrt(variance) for i in range(7)]
    np.testing.assert_allclose(offline(target, losses), wanted)


def test_shadows_that_agree_have_a_least_variance() -> None:
    assert offline(np.array([1.0]), np.full((3, 1), 2.0)) == pytest.approx([1e6])  # one over the root of 1e-12
    assert offline(np.array([1.0]), np.full((1, 1), 2.0)) == pytest.approx([1e6])
    inside = np.array([[True], [False]])
    assert online(np.array([0.0]), np.where(inside, 1.0, 3.0), inside) == pytest.approx([2 * 2 / 1e-12])


@pytest.mark.parametrize(("shadows", "each"), [(2, 1), (6, 3), (7, 3)])
def test_each_row_is_in_half_of_the_shadows_and_not_in_the_same_ones(shadows: int, each: int) -> None:
    drawn = halves(shadows, 200, np.random.default_rng(0))
    assert drawn.shape == (shadows, 200)
    assert (drawn.sum(0) == each).all()
    assert np.abs(drawn.mean(1) - each / shadows).max() < 0.15  # a row of the table is no special one
    assert len(np.unique(drawn, axis=1).T) > 1
