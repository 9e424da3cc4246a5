"""An encoder of fingerprints with enough resolution to read single ridges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, MinLen
from torch import Tensor, nn

from veilbench.bench.limits import Count, LearningRate, Positive, Side, Width, require_weights
from veilbench.families.templates.encoder import Encoder
from veilbench.families.templates.losses.metric import MetricLoss
from veilbench.families.templates.nets.print_encoder import standardise


class Block(nn.Module):
    """Adds two normalised convolutions to its input.

    Args:
        width: number of channels of input and output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*convolve(width, width), nn.ReLU(), *convolve(width, width))

    def forward(self, features: Tensor) -> Tensor:
        """Map features of shape (n, width, h, w) to the same shape."""
        return (features + self.layers(features)).relu()  # type: ignore[no-any-return]


class TwinEncoder(Encoder):
    """Encodes prints by a residual network (He et al. 2016) that keeps where on the print a feature is.

    `PrintEncoder` reduces an image to a quarter of its side in the first layer, which leaves a ridge and a valley two
    pixels or less. Here the first convolution has stride 2. The last features are not pooled: a linear layer
    weighs each place by itself. Trained on fingers and their twins (`data.train_twins`), it has to read the ridges.

    Args:
        code: length of the code.
        widths: channels at each resolution; the first has half the side of the images, each other half of the one
            before.
        blocks: number of residual blocks at each resolution.
        squeezed: channels that the last features are reduced to before the linear layer.
        size: height and width of the images, in pixels.
        temperature: temperature of the loss, see `Hashmap`.
        learning_rate: initial learning rate of AdamW.
        impressions: number of impressions of each identity in a batch.
    """

    loss: MetricLoss = "supcon"

    def __init__(
        self,
        code: Width = 128,
        widths: Annotated[Sequence[Width], MinLen(1)] = (16, 32, 64, 96),
        blocks: Annotated[Sequence[Count], MinLen(1)] = (1, 1, 1, 1),
        squeezed: Width = 24,
        size: Side = 96,
        temperature: Positive = 0.1,
        learning_rate: LearningRate = 2e-3,
        impressions: Annotated[Count, Ge(2)] = 4,
    ) -> None:
        super().__init__()
        if len(blocks) != len(widths):
            raise ValueError(f"blocks={list(blocks)} must have as many numbers as widths={list(widths)}")
        if size % 2 ** len(widths):
            raise ValueError(f"size={size} must be a multiple of {2 ** len(widths)}, for {len(widths)} widths")
        side = size // 2 ** len(widths)
        shapes = [(2 * number, width, width, 3, 3) for number, width in zip(blocks, widths, strict=True)]
        require_weights(f"nets of widths={list(widths)}, code={code}", [*shapes, (squeezed, side, side, code)])
        self.temperature, self.learning_rate, self.impressions = temperature, learning_rate, impressions
        layers: list[nn.Module] = [*convolve(1, widths[0], 7, 2), nn.ReLU()]
        for place, (width, number) in enumerate(zip(widths, blocks, strict=True)):
            if place:
                layers += [*convolve(widths[place - 1], width, 3, 2), nn.ReLU()]
            layers += [Block(width) for _ in range(number)]
        layers += [*convolve(widths[-1], squeezed, 1), nn.ReLU(), nn.Flatten(), nn.Linear(squeezed * side**2, code)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Encode images of shape (n, 1, size, size), in [0, 1], to codes of shape (n, code)."""
        return self.layers(standardise(images))  # type: ignore[no-any-return]


def convolve(before: int, after: int, kernel: int = 3, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution that keeps the size but for its stride, and a normalisation of its output."""
    return nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(after)
