"""The structure tensor against NumPy's gradient, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.templates.schemes.structure_tensor import AT_ONCE, mean_channel, sum_structure_tensor


@pytest.mark.parametrize(("count", "height", "width", "grid"), [(3, 12, 12, 4), (AT_ONCE + 5, 31, 50, 8), (1, 2, 9, 2)])
def test_sums_equal_those_of_numpys_gradient(count: int, height: int, width: int, grid: int) -> None:
    images = np.random.default_rng(0).random((count, height, width), np.float32)
    down, right = np.gradient(images, axis=(1, 2))
    tensor = np.stack([right**2 - down**2, 2 * right * down, right**2 + down**2], 1)
    for axis, side in ((2, height), (3, width)):
        tensor = np.add.reduceat(tensor, np.arange(grid) * side // grid, axis)
    np.testing.assert_allclose(sum_structure_tensor(images, grid), tensor, rtol=1e-4, atol=1e-5)


def test_the_mean_channel_is_that_of_colours() -> None:
    images = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    np.testing.assert_allclose(mean_channel(images), images.mean(1))
    np.testing.assert_array_equal(mean_channel(images[:, 1:2]), images[:, 1])
