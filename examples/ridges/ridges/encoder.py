"""A small convolutional encoder."""

import torch

from veilbench.families.templates import Encoder


class RidgeEncoder(Encoder):
    """Two convolutions and a linear layer.

    Args:
        code: length of the code.
        learning_rate: initial learning rate.
    """

    def __init__(self, code: int = 32, learning_rate: float = 4e-3) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 5, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3, 2), torch.nn.ReLU()
        )
        self.head = torch.nn.LazyLinear(code)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images, shape (n, 1, height, width) in [0, 1], to shape (n, code)."""
        return self.head(self.layers(images - 0.5).flatten(1))
