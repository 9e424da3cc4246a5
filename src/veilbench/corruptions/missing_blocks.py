"""Missing blocks of pixels, for inpainting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.bench.limits import Count, Side
from veilbench.corruptions.base import Corruption, need_images

if TYPE_CHECKING:
    from torch import Generator, Tensor


class MissingBlocks(Corruption):
    """Sets squares at random places to 0, in all channels; squares may overlap.

    Args:
        blocks: number of squares per image.
        size: side of each square, in pixels.
    """

    def __init__(self, blocks: Count = 2, size: Side = 3) -> None:
        if blocks < 1 or size < 1:
            raise ValueError(f"blocks={blocks} and size={size} must be 1 or more")
        self.blocks, self.size = blocks, size

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay.

        Raises:
            ValueError: the images are smaller than a block.
        """
        need_images(images, self)
        height, width = images.shape[2:]
        if self.size > min(height, width):
            raise ValueError(f"size={self.size} does not fit into images of {height} x {width} pixels")
        inside = self._draw_covered(len(images), height, generator)[..., :, None]
        inside = inside & self._draw_covered(len(images), width, generator)[..., None, :]
        return images.masked_fill(inside.any(1, keepdim=True).to(images.device), 0)

    def _draw_covered(self, n: int, length: int, generator: Generator) -> Tensor:
        """Draw which positions along one side each block covers, shape (n, blocks, length), bool."""
        import torch

        shape, device = (n, self.blocks, 1), generator.device
        first = torch.randint(length - self.size + 1, shape, generator=generator, device=device)
        places = torch.arange(length, device=device)
        return (places >= first) & (places < first + self.size)
