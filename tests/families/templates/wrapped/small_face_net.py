"""A small network of a package of its own, as a user brings it, and embeddings that it computes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class SmallFaceNet(nn.Module):
    """Maps grey or coloured images of 24 x 24 pixels to embeddings; random weights keep people apart."""

    def __init__(self, embedding: int = 24, channels: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 5, 2, 2)
        self.norm, self.slope = nn.BatchNorm2d(8), nn.PReLU(8)
        self.second = nn.Conv2d(8, 12, 3, 1, 1)
        self.head = nn.Linear(12 * 36, embedding)

    def forward(self, images: Tensor) -> Tensor:
        maps = functional.max_pool2d(self.slope(self.norm(self.first(images))), 2)
        embedded: Tensor = self.head(functional.leaky_relu(self.second(maps), 0.1).flatten(1))
        return embedded
