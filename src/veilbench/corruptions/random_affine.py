"""Small random rotations and shifts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from veilbench.bench.limits import NotNegative
from veilbench.corruptions.base import Corruption, need_images

if TYPE_CHECKING:
    from torch import Generator, Tensor


class RandomAffine(Corruption):
    """Rotates and shifts each image at random, with bilinear interpolation and border pixels repeated beyond the edge.

    Args:
        rotation: maximum rotation in either direction, in degrees.
        shift: maximum shift in each direction, as a share of the side.
    """

    def __init__(self, rotation: NotNegative = 10.0, shift: NotNegative = 0.05) -> None:
        for name, value in (("rotation", rotation), ("shift", shift)):
            if value < 0:
                raise ValueError(f"{name}={value} must be 0 or more")
        self.rotation, self.shift = rotation, shift

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows; shape and dtype stay."""
        import torch
        from torch.nn import functional

        need_images(images, self)
        drawn = (2 * torch.rand(len(images), 3, generator=generator, device=generator.device) - 1).to(images)
        angles, moves = math.radians(self.rotation) * drawn[:, 0], 2 * self.shift * drawn[:, 1:]
        slant = images.shape[2] / images.shape[3]  # the grid's unit is half a side, separately for each axis
        cosines, sines = angles.cos()[:, None], angles.sin()[:, None]
        down, right = ((2 * torch.arange(side).to(images) + 1) / side - 1 for side in images.shape[2:])
        grid = images.new_empty(len(images), *images.shape[2:], 2)  # much faster by sums than by `affine_grid`
        torch.add((cosines * right + moves[:, :1])[:, None], (-slant * sines * down)[..., None], out=grid[..., 0])
        torch.add((sines / slant * right + moves[:, 1:])[:, None], (cosines * down)[..., None], out=grid[..., 1])
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
