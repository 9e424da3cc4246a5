"""White Gaussian noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.bench.limits import NotNegative
from veilbench.corruptions.base import Corruption

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Gaussian(Corruption):
    """Adds independent noise to every value; works on rows of any shape.

    Args:
        sigma: standard deviation of the noise, in the units of the rows.
    """

    def __init__(self, sigma: NotNegative = 0.1) -> None:
        if sigma < 0:
            raise ValueError(f"sigma={sigma} must be 0 or more")
        self.sigma = sigma

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay."""
        import torch

        noise = torch.randn(images.shape, generator=generator, device=generator.device, dtype=images.dtype)
        return images + self.sigma * noise.to(images.device)
