"""Conversion to greyscale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veilbench.corruptions.base import Corruption, need_images

if TYPE_CHECKING:
    from torch import Generator, Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R Recommendation BT.601, of red, green and blue


class Greyscale(Corruption):
    """Replaces each pixel's three channels by its luma; nothing is random."""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay.

        Raises:
            ValueError: the images do not have three channels.
        """
        need_images(images, self)
        if images.shape[1] != 3:
            raise ValueError(f"Greyscale takes the colour from images of 3 channels, got {images.shape[1]}")
        weights = images.new_tensor(LUMA).view(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True).expand_as(images).contiguous()
