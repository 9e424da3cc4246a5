"""A small and fast encoder for fingerprints and other grey images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen
from torch import Tensor, nn
from torch.nn import functional

from veilbench.bench.limits import Side, Width, require_weights
from veilbench.families.templates.nets.saved_net import SavedNet

Norm = Literal["batch", "group"]
GROUPS = 4
STRIDE, PADDING = 4, 2  # of the first convolution, in pixels
WINDOW = 2 * STRIDE


class FirstConvolution(nn.Conv2d):
    """Convolves grey images with 8 x 8 kernels at stride 4; several times faster than `Conv2d`.

    Blocks of 4 x 4 pixels become 16 channels, so that the convolution is one with 2 x 2 kernels at stride 1. The output
    has channels-last memory format, which the following layers keep and which makes them faster.

    Args:
        channels: number of output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels, WINDOW, STRIDE, PADDING)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the same as `Conv2d.forward`."""
        padded = functional.pad(images, [PADDING] * 4)[:, 0]
        n, rows, columns = len(padded), *(side // STRIDE for side in padded.shape[1:])
        pixels = padded[:, : rows * STRIDE, : columns * STRIDE].reshape(n, rows, STRIDE, columns, STRIDE)
        blocks = pixels.transpose(2, 3).reshape(n, rows, columns, STRIDE**2).permute(0, 3, 1, 2)
        kernels = self.weight.view(-1, 2, STRIDE, 2, STRIDE).permute(0, 2, 4, 1, 3).reshape(-1, STRIDE**2, 2, 2)
        return functional.conv2d(blocks, kernels, self.bias)


class PoolToGrid(nn.AdaptiveAvgPool2d):
    """Pools to a grid of fixed size; maps that have this size already are returned as they are."""

    def forward(self, maps: Tensor) -> Tensor:
        """Compute the same as `AdaptiveAvgPool2d.forward`, for maps of shape (n, channels, h, w)."""
        return maps if set(maps.shape[2:]) == {self.output_size} else super().forward(maps)


class PrintEncoder(SavedNet):
    """Encodes images of any size as codes; each image is standardised first, so contrast and brightness do not matter.

    The first convolution has 8 x 8 kernels (about a ridge and a valley of a 96 x 96 print) and stride 4, which makes it
    fast; the others have 3 x 3 kernels and stride 2. Their output is pooled to a grid of fixed size, and a linear layer
    maps it to the code.

    Args:
        code: length of the code.
        channels: output channels of each convolution; multiples of 4.
        norm: normalisation of the channels: `batch`, or `group`, which does not mix images.
        grid: cells along each side of the pooled grid.
    """

    def __init__(
        self,
        code: Width = 128,
        channels: Annotated[Sequence[Annotated[Width, Ge(GROUPS)]], MinLen(1)] = (32, 64, 128),
        norm: Norm = "batch",
        grid: Side = 6,
    ) -> None:
        super().__init__()
        if norm not in ("batch", "group"):
            raise ValueError(f"norm={norm} must be batch or group")
        if wrong := [width for width in channels if width % GROUPS]:
            raise ValueError(f"channels={list(channels)}: {wrong[0]} must be a multiple of {GROUPS}")
        self.code, self.channels, self.norm, self.grid = code, list(channels), norm, grid
        shapes = [*((*pair, 3, 3) for pair in itertools.pairwise(self.channels)), (self.channels[-1], grid, grid, code)]
        require_weights(f"nets of channels={self.channels}, code={code}", shapes)
        layers: list[nn.Module] = [FirstConvolution(self.channels[0]), *self._norm_and_activation(self.channels[0])]
        for before, after in itertools.pairwise(self.channels):
            layers += [nn.Conv2d(before, after, 3, 2, 1), *self._norm_and_activation(after)]
        self.layers = nn.Sequential(*layers, PoolToGrid(grid), nn.Flatten())
        self.last = nn.Linear(self.channels[-1] * grid**2, code)

    def _norm_and_activation(self, width: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(width) if self.norm == "batch" else nn.GroupNorm(GROUPS, width), nn.ReLU()]

    def forward(self, images: Tensor) -> Tensor:
        """Encode images, shape (n, 1, h, w) with at least 8 pixels a side, to shape (n, code)."""
        return self.last(self.layers(standardise(images)))  # type: ignore[no-any-return]

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"code": self.code, "channels": self.channels, "norm": self.norm, "grid": self.grid}


def standardise(images: Tensor) -> Tensor:
    """Scale each image to mean 0 and standard deviation 1; blank images become 0."""
    return functional.layer_norm(images, images.shape[1:], eps=1e-8)
