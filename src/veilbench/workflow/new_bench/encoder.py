"""An encoder of one's own: responses of a fixed Gabor bank, then one trained linear layer."""

import math

import torch

from veilbench.families.templates import Encoder


class GaborEncoder(Encoder):
    """Encodes the strength of ridges by direction and place.

    Args:
        code: length of the code.
        directions: number of directions of the Gabor filters.
        learning_rate: initial learning rate.
    """

    def __init__(self, code: int = 64, directions: int = 8, learning_rate: float = 4e-3) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.register_buffer("bank", gabor_bank(directions))
        self.head = torch.nn.LazyLinear(code)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images, shape (n, 1, height, width) in [0, 1], to shape (n, code)."""
        images = images - images.mean((2, 3), keepdim=True)
        responses = torch.nn.functional.conv2d(images, self.bank, padding="same").square()
        return self.head(torch.nn.functional.adaptive_avg_pool2d(responses, 12).sqrt().flatten(1))


def gabor_bank(directions: int, size: int = 15, wavelength: float = 8.0) -> torch.Tensor:
    """Return Gabor filters of mean 0, shape (directions, 1, size, size); lengths in pixels."""
    steps = torch.arange(size) - size // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    angles = torch.arange(directions) * math.pi / directions
    waves = [torch.cos(2 * math.pi * (x * math.cos(a) + y * math.sin(a)) / wavelength) for a in angles.tolist()]
    filters = torch.stack(waves) * torch.exp(-(x**2 + y**2) / (size / 2) ** 2)
    return (filters - filters.mean((1, 2), keepdim=True))[:, None]
