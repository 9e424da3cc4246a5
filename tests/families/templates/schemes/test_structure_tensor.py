"""The structure tensor against NumPy's and torch's gradients, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veilbench.families.templates.schemes.structure_tensor import mean_channel, sum_cells, sum_structure_tensor
from veilbench.families.templates.schemes.structure_tensor_sums import sum_structure_tensor_of

SIZES = [(3, 12, 12, 4), (21, 31, 50, 8), (1, 2, 9, 2)]  # images, height, width, grid


def sum_by_numpy(values: np.ndarray, grid: int) -> np.ndarray:
    """Sum over the cells of the last two axes."""
    for axis in (-2, -1):
        values = np.add.reduceat(values, np.arange(grid) * values.shape[axis] // grid, axis)
    return values


@pytest.mark.parametrize(("count", "height", "width", "grid"), SIZES)
def test_sums_equal_those_of_numpys_gradient(count: int, height: int, width: int, grid: int) -> None:
    images = np.random.default_rng(0).random((count, height, width), np.float32)
    down, right = np.gradient(images, axis=(1, 2))
    tensor = np.stack([right**2 - down**2, 2 * right * down, right**2 + down**2], 1)
    np.testing.assert_allclose(sum_structure_tensor(images, grid), sum_by_numpy(tensor, grid), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sum_cells(images, grid), sum_by_numpy(images, grid), rtol=1e-5)


@pytest.mark.parametrize(("count", "height", "width", "grid"), SIZES)
def test_slopes_equal_those_of_torchs_gradient(count: int, height: int, width: int, grid: int) -> None:
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.random((count, height, width), np.float32)).requires_grad_()
    worth = torch.from_numpy(rng.standard_normal((count, 3, grid, grid), np.float32))
    (slope,) = torch.autograd.grad((sum_structure_tensor_of(images, grid) * worth).sum(), images)
    down, right = torch.gradient(images, dim=(1, 2))
    cells = [np.searchsorted(np.arange(grid) * n // grid, np.arange(n), side="right") - 1 for n in (height, width)]
    of_pixels = worth[:, :, cells[0]][..., cells[1]]
    tensor = torch.stack([right**2 - down**2, 2 * right * down, right**2 + down**2], 1)
    (wanted,) = torch.autograd.grad((tensor * of_pixels).sum(), images)
    np.testing.assert_allclose(slope, wanted, rtol=1e-4, atol=1e-5)


def test_the_mean_channel_is_that_of_colours() -> None:
    images = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    np.testing.assert_allclose(mean_channel(images), images.mean(1))
    np.testing.assert_array_equal(mean_channel(images[:, 1:2]), images[:, 1])
