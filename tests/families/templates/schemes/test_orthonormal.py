"""Matrices that are kept equal those that are drawn anew, and so do the draws that follow."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.templates.schemes import orthonormal
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal


@pytest.mark.parametrize(("rows", "columns"), [(7, 4), (4, 7), (5, 5)])
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.Philox])
def test_a_matrix_that_is_kept_changes_nothing(rows: int, columns: int, bits: type) -> None:
    drawn = []
    for _ in range(2):
        rng = np.random.Generator(bits(3))
        rng.integers(5, dtype=np.uint32)  # leaves half of a draw in the generator
        matrix = draw_orthonormal(rows, columns, rng)
        drawn.append((matrix.copy(), rng.random(3), rng.integers(2**31, size=3, dtype=np.uint32)))
        matrix[:] = 0  # the caller's own
    for one, again in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one, again)
    matrix = drawn[0][0].astype(float)
    product = matrix @ matrix.T if rows < columns else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-6)


def test_the_generators_state_tells_matrices_apart_and_large_ones_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first, second = draw_orthonormal(3, 3, rng), draw_orthonormal(3, 3, rng)
    assert (first != second).any()
    kept = orthonormal._draw_once.cache_info().currsize
    monkeypatch.setattr(orthonormal, "LARGEST", 8)
    np.testing.assert_array_equal(draw_orthonormal(3, 3, np.random.default_rng(0)), first)
    assert orthonormal._draw_once.cache_info().currsize == kept
