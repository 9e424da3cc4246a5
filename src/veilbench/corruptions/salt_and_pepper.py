"""Salt-and-pepper noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.bench.limits import Share
from veilbench.corruptions.base import Corruption, need_images, need_share

if TYPE_CHECKING:
    from torch import Generator, Tensor


class SaltAndPepper(Corruption):
    """Makes a share of the pixels black (0) or white (1) with equal probability; all channels of a pixel are equal.

    Args:
        share: probability that a pixel is replaced, in [0, 1].
    """

    def __init__(self, share: Share = 0.1) -> None:
        need_share(share)
        self.share = share

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay."""
        import torch

        need_images(images, self)
        shape = (len(images), 1, *images.shape[2:])
        drawn = torch.rand(shape, generator=generator, device=generator.device).to(images.device)
        peppered = images.masked_fill(drawn < self.share / 2, 0)
        return peppered.masked_fill((drawn >= self.share / 2) & (drawn < self.share), 1)
