"""Nearest rows and typical distances, against plain loops."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from veilbench.metrics.nearest import Norm, nearest, spacing

ORDERS: dict[Norm, float] = {"l2": 2, "linf": np.inf}


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


@pytest.mark.parametrize("block", [1, 40, 62, 10**6])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_blocks_of_any_size_find_the_same(norm: Norm, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((9, 2)), rng.standard_normal((31, 2))
    whole = nearest(x, y, norm)
    monkeypatch.setattr("veilbench.metrics.nearest.BLOCK", block)
    for found, wanted in zip(nearest(x, y, norm), whole, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_tie_goes_to_the_first_row_and_a_pool_of_one_is_enough(norm: Norm) -> None:
    places, distances = nearest(np.array([[0.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), norm)
    assert (places.tolist(), distances.tolist()) == ([1], [1.0])
    places, distances = nearest(np.array([[0, 4], [3, 0]]), np.array([[0, 0]]), norm)
    assert (places.tolist(), distances.tolist()) == ([0, 0], [4.0, 3.0])


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("n", [2, 7, 8])
def test_the_spacing_is_the_median_over_all_pairs(norm: Norm, n: int) -> None:
    rows = np.random.default_rng(n).standard_normal((n, 2, 3))
    pairs = [np.linalg.norm((one - other).ravel(), ORDERS[norm]) for one, other in combinations(rows, 2)]
    assert spacing(rows, norm) == pytest.approx(np.median(pairs))


def test_the_spacing_of_many_rows_is_that_of_some_from_the_first_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.metrics.nearest.PAIRED", 3)
    assert spacing(np.array([[0.0], [100.0], [1.0], [100.0], [7.0]])) == 6  # rows 0, 2 and 4: 1, 6 and 7 apart


@pytest.mark.parametrize("rows", [0, 1])
def test_a_spacing_needs_two_rows(rows: int) -> None:
    with pytest.raises(ValueError, match=f"needs two of them, got {rows}"):
        spacing(np.zeros((rows, 3)))
