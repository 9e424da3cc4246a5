"""A convolutional network that works at several resolutions and knows the noise level, for denoising images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le, MaxLen, MinLen
from torch import Tensor, nn
from torch.nn import functional

from veilbench.bench.limits import Width, require_weights

Levels = Annotated[Sequence[Width], MinLen(1), MaxLen(8)]
Blocks = Annotated[int, Ge(1), Le(100)]


class ResidualBlock(nn.Module):
    """Adds two convolutions with a rectifier between them to its input.

    Args:
        channels: number of channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map features of shape (n, channels, h, w) to the same shape."""
        return features + torch.as_tensor(self.second(functional.relu(self.first(features))))


class MultiScale(nn.Module):
    """Predicts the noise of images at several resolutions, each half of the one before, and subtracts it.

    The layout is that of a U-Net (Ronneberger et al. 2015) with residual blocks and additive skips. As in FFDNet (Zhang
    et al. 2018), squares of 2 x 2 pixels become channels before the first convolution, and the noise level is a further
    channel, so that one network serves all levels.

    Args:
        channels: number of channels at each resolution; the first has half the height and width of the images.
        blocks: number of residual blocks at the lowest resolution, and on either side at the others.
        images: number of channels of the images.
    """

    def __init__(
        self, channels: Levels = (64, 96, 128), blocks: Blocks = 1, images: Annotated[int, Ge(1), Le(4)] = 1
    ) -> None:
        super().__init__()
        self.channels, self.blocks, self.images = list(channels), blocks, images
        convolutions = [(4 * blocks, width, width, 3, 3) for width in channels]
        require_weights(f"nets of channels={self.channels}, blocks={blocks}", convolutions)
        steps = list(itertools.pairwise(channels))
        self.head = nn.Conv2d(4 * images + 1, channels[0], 3, padding=1)
        self.before = nn.ModuleList(self._stack(width) for width in channels)
        self.down = nn.ModuleList(nn.Conv2d(wide, narrow, 2, 2) for wide, narrow in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(narrow, wide, 2, 2) for wide, narrow in steps)
        self.after = nn.ModuleList(self._stack(width) for width in channels[:-1])
        self.tail = nn.Conv2d(channels[0], 4 * images, 3, padding=1)

    def _stack(self, width: int) -> nn.Sequential:
        return nn.Sequential(*(ResidualBlock(width) for _ in range(self.blocks)))

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"channels": self.channels, "blocks": self.blocks, "images": self.images}

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Denoise images of any size.

        Args:
            noisy: images, shape (n, images, h, w).
            sigma: standard deviation of the noise of each image, in the units of the images, shape (n,).

        Returns:
            The denoised images, same shape.
        """
        height, width = noisy.shape[2:]
        multiple = 2 ** len(self.channels)
        padded = functional.pad(noisy, (0, -width % multiple, 0, -height % multiple), "replicate")
        folded = functional.pixel_unshuffle(padded, 2)
        level = sigma.to(folded).view(-1, 1, 1, 1).expand(-1, 1, *folded.shape[2:])
        noise = functional.pixel_shuffle(self._features(torch.cat([folded, level], 1)), 2)
        return noisy - noise[..., :height, :width]

    def _features(self, folded: Tensor) -> Tensor:
        features, kept = self.head(folded), list[Tensor]()
        for before, down in zip(self.before, self.down, strict=False):  # the lowest resolution has no step down
            kept.append(before(features))
            features = down(kept[-1])
        features = self.before[-1](features)
        for after, up in zip(reversed(self.after), reversed(self.up), strict=True):
            features = after(up(features) + kept.pop())
        return torch.as_tensor(self.tail(features))
