"""Convolutional encoders and decoders for images with 1 or 3 channels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Ge, MinLen
from torch import Tensor, nn
from torch.nn import functional

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Depth, Side, Width, require_weights
from veilbench.nets.dense import Activation, make_activation


class Crop(nn.Module):
    """Crops images to a size, because strides round sizes up.

    Args:
        size: height and width to keep, in pixels.
    """

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)

    def forward(self, images: Tensor) -> Tensor:
        """Crop images of shape (n, c, at least h, at least w) to (n, c, h, w)."""
        return images[..., : self.size[0], : self.size[1]]


class Convolutional:
    """Builds a convolutional encoder and decoder: strided convolutions, one linear layer, and the mirror image.

    Args:
        code: number of units of the code.
        channels: output channels of each convolution; every one halves height and width.
        kernel: height and width of the kernels; odd.
        activation: activation after every layer except for the last one of encoder and decoder.
    """

    name = "convolutional"
    bottleneck = True

    def __init__(
        self,
        code: Width = 16,
        channels: Annotated[Sequence[Width], MinLen(1)] = (16, 32),
        kernel: Side = 3,
        activation: Activation = "relu",
    ) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} must be odd")
        self.code, self.channels, self.kernel, self.activation = code, list(channels), kernel, activation

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"code": self.code, "channels": self.channels, "kernel": self.kernel, "activation": self.activation}

    def build(self, shape: Sequence[int], outputs: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
        """Build an encoder and a decoder with new weights; arguments and result are those of `Dense.build`.

        Raises:
            UserError: the rows are not images, or the weights do not fit into memory.
        """
        if len(shape) != 3:
            raise UserError(f"convolutions need images of shape (channels, height, width), got rows of {tuple(shape)}")
        widths = [shape[0], *self.channels]
        kernels = [(*pair, self.kernel, self.kernel) for pair in itertools.pairwise(widths)]
        require_weights(f"nets of channels={self.channels}, kernel={self.kernel}", kernels * 2)
        sizes = [tuple(shape[1:])]
        encoder: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            encoder += [nn.Conv2d(before, after, self.kernel, 2, self.kernel // 2), make_activation(self.activation)]
            sizes.append(tuple((s + 1) // 2 for s in sizes[-1]))
        inner = (widths[-1], *sizes[-1])
        flat = inner[0] * inner[1] * inner[2]
        require_weights(f"nets of channels={self.channels}, code={self.code}", [(flat, self.code, outputs + 1)])
        encoder += [nn.Flatten(), nn.Linear(flat, self.code * outputs)]
        decoder: list[nn.Module] = [
            nn.Linear(self.code, flat),
            make_activation(self.activation),
            nn.Unflatten(1, inner),
        ]
        for before, after, size in zip(widths[:0:-1], widths[-2::-1], sizes[-2::-1], strict=True):
            up = nn.ConvTranspose2d(before, after, self.kernel, 2, self.kernel // 2, output_padding=1)
            decoder += [up, Crop(size), make_activation(self.activation)]
        return nn.Sequential(*encoder), nn.Sequential(*decoder[:-1])


class Fold(nn.Module):
    """Rearranges squares of pixels into channels (Shi et al. 2016), after padding to a multiple of the square's side.

    Args:
        side: side of the squares, in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Fold images, shape (n, c, h, w) to (n, c * side^2, h / side, w / side), rounded up."""
        low, right = (-size % self.side for size in images.shape[2:])
        return functional.pixel_unshuffle(functional.pad(images, (0, right, 0, low), "replicate"), self.side)


class FullyConvolutional:
    """Builds a convolutional network without bottleneck, for restoring images of any size.

    The network is trained on patches and applied to whole images. With `residual` in `Autoencoder` it predicts the
    corruption, as DnCNN does (Zhang et al. 2017); with `fold` it works at a reduced resolution, as FFDNet does (Zhang
    et al. 2018): at a given cost it has more layers and channels, and a larger receptive field.

    Args:
        layers: number of convolutions, including the last one.
        channels: number of channels between the convolutions.
        kernel: height and width of the kernels; odd.
        fold: side of the squares of pixels that become channels before the first convolution, and pixels again after
            the last; 1 folds nothing. If the image size is not a multiple, the output is larger and is cropped by
            `AutoencoderNet`.
    """

    name = "fully_convolutional"
    bottleneck = False

    def __init__(
        self,
        layers: Annotated[Depth, Ge(2)] = 6,
        channels: Width = 32,
        kernel: Side = 3,
        fold: Side = 1,
    ) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} must be odd")
        self.layers, self.channels, self.kernel, self.fold = layers, channels, kernel, fold

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"layers": self.layers, "channels": self.channels, "kernel": self.kernel, "fold": self.fold}

    def build(self, shape: Sequence[int], outputs: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
        """Build all layers except for the last one, and the last one. The code is a stack of feature maps.

        Raises:
            UserError: the rows are not images, or more than one output is requested.
        """
        if len(shape) != 3 or outputs != 1:
            raise UserError(f"a fully convolutional net needs images and a plain code, got rows of {tuple(shape)}")
        ends = shape[0] * self.fold**2
        widths = [ends] + [self.channels] * (self.layers - 1)
        kernels = [(*pair, self.kernel, self.kernel) for pair in itertools.pairwise([*widths, ends])]
        require_weights(f"nets of channels={self.channels}, layers={self.layers}, kernel={self.kernel}", kernels)
        encoder: list[nn.Module] = [Fold(self.fold)] if self.fold > 1 else []
        for before, after in itertools.pairwise(widths):
            encoder += [nn.Conv2d(before, after, self.kernel, padding="same"), nn.ReLU()]
        last = nn.Conv2d(widths[-1], ends, self.kernel, padding="same")
        decoder = [last, nn.PixelShuffle(self.fold)] if self.fold > 1 else [last]
        return nn.Sequential(*encoder), nn.Sequential(*decoder)
