"""Gaussian blur."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.bench.limits import Positive
from veilbench.corruptions.base import Corruption, need_images

if TYPE_CHECKING:
    from torch import Generator, Tensor

REACH = 4  # radius of the kernel, in standard deviations


class Blur(Corruption):
    """Convolves every channel with a separable Gaussian; nothing is random.

    At the border the image is padded with its outermost pixels.

    Args:
        sigma: standard deviation of the Gaussian, in pixels.
    """

    def __init__(self, sigma: Positive = 1.0) -> None:
        if sigma <= 0:
            raise ValueError(f"sigma={sigma} must be above 0")
        self.sigma = sigma

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay."""
        import torch
        from torch.nn.functional import conv2d, pad

        need_images(images, self)
        radius = max(1, int(REACH * self.sigma + 0.5))
        places = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
        kernel = torch.exp(-0.5 * (places / self.sigma) ** 2)
        kernel = kernel / kernel.sum()
        planes = images.flatten(0, 1).unsqueeze(1)
        planes = conv2d(pad(planes, (0, 0, radius, radius), "replicate"), kernel.view(1, 1, -1, 1))
        planes = conv2d(pad(planes, (radius, radius, 0, 0), "replicate"), kernel.view(1, 1, 1, -1))
        return planes.view(images.shape)
