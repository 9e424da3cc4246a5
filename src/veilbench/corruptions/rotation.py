"""Quarter turns and reflections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.corruptions.base import Corruption, need_images

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Rotation(Corruption):
    """Rotates each image by a random multiple of 90 degrees and mirrors it with probability 1/2; no value changes."""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay.

        Raises:
            ValueError: the images are not square, so a quarter turn would change their shape.
        """
        import torch

        need_images(images, self)
        if images.shape[2] != images.shape[3]:
            raise ValueError(f"Rotation turns square images, got {images.shape[2]} x {images.shape[3]} pixels")
        drawn = torch.randint(8, (len(images),), generator=generator, device=generator.device).to(images.device)
        made = torch.empty_like(images)
        for way in range(8):
            turned = images[drawn == way].rot90(way % 4, (2, 3))
            made[drawn == way] = turned.flip(3) if way >= 4 else turned
        return made
