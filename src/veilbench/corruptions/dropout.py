"""Masking noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.bench.limits import Share
from veilbench.corruptions.base import Corruption, need_share

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Dropout(Corruption):
    """Sets each value to 0 with a given probability, without scaling up the others (Vincent et al. 2008, section 2.3).

    Works on rows of any shape.

    Args:
        share: probability that a value is set to 0, in [0, 1].
    """

    def __init__(self, share: Share = 0.2) -> None:
        need_share(share)
        self.share = share

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay."""
        import torch

        drawn = torch.rand(images.shape, generator=generator, device=generator.device)
        return images.masked_fill((drawn < self.share).to(images.device), 0)
