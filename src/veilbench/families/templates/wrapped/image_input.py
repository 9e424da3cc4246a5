"""The images that a finished network expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, MinLen

from veilbench.bench.limits import Positive, Real, Side

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImageInput:
    """Size and scaling of the images that a network expects.

    Attributes:
        size: height and width in pixels, to which images are scaled bilinearly; None keeps the data's size.
        channels: 1 for grey images, 3 to repeat grey values as red, green and blue.
        mean: subtracted from pixels in [0, 1]; one value for all channels, or one for each.
        std: divides the difference; one value for all channels, or one for each. With mean 0.5 and std 0.5 pixels are
            in [-1, 1], with mean 0 and std 1/255 in [0, 255].

    Raises:
        ValueError: the numbers of sides, channels, means or standard deviations do not fit.
    """

    size: Sequence[Annotated[Side, Ge(8)]] | None = None
    channels: Literal[1, 3] = 1
    mean: Annotated[Sequence[Real], MinLen(1)] = (0.0,)
    std: Annotated[Sequence[Positive], MinLen(1)] = (1.0,)

    def __post_init__(self) -> None:
        if self.size is not None and len(self.size) != 2:
            raise ValueError(f"size={list(self.size)} must be two numbers, height and width, or null")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name}={list(values)} must be one number, or {self.channels}: one for each channel")

    def prepare(self, images: Tensor) -> Tensor:
        """Scale grey images in [0, 1], shape (n, 1, h, w), to the network's input; differentiable."""
        import torch

        if self.size is not None and tuple(images.shape[2:]) != tuple(self.size):
            images = torch.nn.functional.interpolate(images, tuple(self.size), mode="bilinear", antialias=True)
        mean, std = (torch.tensor(values).to(images)[:, None, None] for values in (self.mean, self.std))
        return (images.expand(-1, self.channels, -1, -1) - mean) / std
