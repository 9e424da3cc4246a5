"""Similarity of images against scikit-image and torchmetrics, also for images smaller than the usual window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import structural_similarity_index_measure

from veilbench.metrics.image import decibels, psnr, squared_errors, ssim


def pair(side: int = 16, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(side)
    clean = rng.random((5, channels, side, side)).astype(np.float32)
    return clean, (clean + rng.normal(0, 0.2, clean.shape)).astype(np.float32)


def test_psnr_is_scikit_images_and_ends_at_a_hundred() -> None:
    clean, noisy = pair()
    wanted = [peak_signal_noise_ratio(c, n, data_range=1) for c, n in zip(clean, noisy, strict=True)]
    np.testing.assert_allclose(psnr(clean, noisy), wanted, rtol=1e-6)
    np.testing.assert_array_equal(psnr(clean, clean), np.full(5, 100.0))
    assert decibels(np.array([0.01, 0.0001, 0.0])).tolist() == pytest.approx([20, 40, 100])
    assert psnr(np.zeros((1, 1, 4, 4)), np.full((1, 1, 4, 4), 0.1))[0] == pytest.approx(20)


@pytest.mark.parametrize(("side", "channels"), [(16, 3), (8, 1), (7, 1)])
def test_ssim_is_torchmetrics_inside_the_border(side: int, channels: int) -> None:
    clean, noisy = pair(side, channels)
    wanted = []
    for one, other in zip(clean, noisy, strict=True):
        tensors = [torch.from_numpy(image)[None].double() for image in (other, one)]
        _, full = structural_similarity_index_measure(
            *tensors, gaussian_kernel=False, kernel_size=7, data_range=1.0, return_full_image=True
        )
        wanted.append(float(full[..., 3 : side - 3, 3 : side - 3].mean()))
    # We use sample variances, divided by n - 1 = 48 for 49 pixels; torchmetrics divides by n.
    np.testing.assert_allclose(ssim(clean, noisy), wanted, atol=0.005)


def test_ssim_is_one_for_the_same_and_falls_with_noise() -> None:
    clean, noisy = pair(28)
    np.testing.assert_allclose(ssim(clean, clean), 1)
    assert (ssim(clean, noisy) < 0.99).all()
    assert (ssim(clean, clean + 2 * (noisy - clean)) < ssim(clean, noisy)).all()


@pytest.mark.parametrize("side", [3, 4, 5, 6])
def test_ssim_fits_small_images(side: int) -> None:
    clean, noisy = pair(side)
    assert np.isfinite(ssim(clean, noisy)).all()


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(ValueError, match="got 2 x 9"):
        ssim(np.zeros((1, 1, 2, 9)), np.zeros((1, 1, 2, 9)))
    with pytest.raises(ValueError, match=r"shapes \(2, 3\) and \(1, 3\)"):
        squared_errors(np.zeros((2, 3)), np.zeros((1, 3)))


@pytest.mark.parametrize(("height", "width", "window"), [(3, 20, 3), (20, 4, 3), (6, 5, 5), (7, 30, 7), (9, 9, 7)])
def test_the_window_is_the_largest_odd_one_that_fits_both_sides(height: int, width: int, window: int) -> None:
    """A loop over all windows of the formula of Wang et al. with K1 = 0.01 and K2 = 0.03."""
    rng = np.random.default_rng(0)
    one, other = rng.random((2, height, width))
    values = []
    for top in range(height - window + 1):
        for left in range(width - window + 1):
            x, y = (image[top : top + window, left : left + window].ravel() for image in (one, other))
            means, (law, shared) = (x.mean(), y.mean()), ((x.var(ddof=1), y.var(ddof=1)), np.cov(x, y)[0, 1])
            top_part = (2 * means[0] * means[1] + 0.01**2) * (2 * shared + 0.03**2)
            values.append(top_part / ((means[0] ** 2 + means[1] ** 2 + 0.01**2) * (sum(law) + 0.03**2)))
    assert ssim(one[None, None], other[None, None])[0] == pytest.approx(np.mean(values))


def test_the_similarity_of_colours_is_the_mean_over_channels() -> None:
    clean, noisy = pair()
    each = [ssim(clean[:, [c]], noisy[:, [c]]) for c in range(3)]
    np.testing.assert_allclose(ssim(clean, noisy), np.mean(each, axis=0))


def test_squared_errors_are_means_over_a_row() -> None:
    rows = np.array([[[0.0, 1.0], [2.0, 3.0]], [[0.0, 0.0], [0.0, 2.0]]])
    np.testing.assert_array_equal(squared_errors(rows, np.zeros((2, 2, 2))), [14 / 4, 1])
