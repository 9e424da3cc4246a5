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
from veilbench.nets.dense import Activation, activation


class Crop(nn.Module):
    """Cuts images to a size: what strides have rounded up.

    Args:
        size: height and width to keep.
    """

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)

    def forward(self, images: Tensor) -> Tensor:
        """Shape (n, c, at least h, at least w) to (n, c, h, w)."""
        return images[..., : self.size[0], : self.size[1]]


class Convolutional:
    """How a convolutional pair with a code is built: strided convolutions, one linear layer, and back.

    Args:
        code: units of the code.
        channels: of each convolution; every one halves height and width.
        kernel: height and width of the convolutions, odd.
        activation: after every layer but the last of either side.
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
        """An encoder and a decoder with fresh weights; see `Dense.build`.

        Raises:
            UserError: the rows are no images, or the weights do not fit into the memory.
        """
        if len(shape) != 3:
            raise UserError(f"convolutions need images of shape (channels, height, width), got rows of {tuple(shape)}")
        widths = [shape[0], *self.channels]
        kernels = [(*pair, self.kernel, self.kernel) for pair in itertools.pairwise(widths)]
        require_weights(f"nets of channels={self.channels}, kernel={self.kernel}", kernels * 2)
        sizes = [tuple(shape[1:])]
        encoder: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            encoder += [nn.Conv2d(before, after, self.kernel, 2, self.kernel // 2), activation(self.activation)]
            sizes.append(tuple((s + 1) // 2 for s in sizes[-1]))
        inner = (widths[-1], *sizes[-1])
        flat = inner[0] * inner[1] * inner[2]
        require_weights(f"nets of channels={self.channels}, code={self.code}", [(flat, self.code, outputs + 1)])
        encoder += [nn.Flatten(), nn.Linear(flat, self.code * outputs)]
        decoder: list[nn.Module] = [nn.Linear(self.code, flat), activation(self.activation), nn.Unflatten(1, inner)]
        for before, after, size in zip(widths[:0:-1], widths[-2::-1], sizes[-2::-1], strict=True):
            up = nn.ConvTranspose2d(before, after, self.kernel, 2, self.kernel // 2, output_padding=1)
            decoder += [up, Crop(size), activation(self.activation)]
        return nn.Sequential(*encoder), nn.Sequential(*decoder[:-1])


class Fold(nn.Module):
    """Squares of pixels become channels (Shi et al. 2016), after the images are continued to a multiple of the square.

    Args:
        side: of the squares, in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Shape (n, c, h, w) to (n, c * side^2, h / side, w / side), rounded up."""
        low, right = (-size % self.side for size in images.shape[2:])
        return functional.pixel_unshuffle(functional.pad(images, (0, right, 0, low), "replicate"), self.side)


class FullyConvolutional:
    """How a net without bottleneck is built, for restoring images of any size.

    What it learns on patches it does on whole images. With `residual` in `Autoencoder` it predicts the corruption, as
    DnCNN does (Zhang et al. 2017); with `fold` it does so at a part of the resolution, as FFDNet does (Zhang et al.
    2018): at a given cost it has more layers and channels, and each answer sees more of the image.

    Args:
        layers: convolutions, the last one included.
        channels: between them.
        kernel: height and width, odd.
        fold: side of the squares of pixels that become channels before the first convolution, and pixels again after
            the last; 1 folds nothing. Of images whose size is no multiple, the answer is larger and has to be cut,
            which `AutoencoderNet` does.
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
        """All layers but the last one, and the last one; see `Dense.build`. The code is a stack of feature maps.

        Raises:
            UserError: the rows are no images, or more than one output is asked for.
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
