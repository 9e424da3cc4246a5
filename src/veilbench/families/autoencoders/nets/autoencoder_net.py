"""An encoder and a decoder as one module, with the output function that the loss needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from veilbench.bench.limits import Count, format_value, require_arguments, require_value
from veilbench.nets.convolutional import Convolutional, FullyConvolutional
from veilbench.nets.dense import Dense

Output = Literal["identity", "sigmoid", "softmax"]


@runtime_checkable
class Architecture(Protocol):
    """Interface of architectures, which build an encoder and a decoder."""

    name: str
    bottleneck: bool  # whether the decoder's output depends on the code alone

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        ...

    def build(self, shape: Sequence[int], outputs: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
        """Build an encoder and a decoder; arguments and result are those of `Dense.build`."""
        ...


ARCHITECTURES: dict[str, type[Architecture]] = {a.name: a for a in (Dense, Convolutional, FullyConvolutional)}


class AutoencoderNet(nn.Module):
    """Encodes rows and decodes them again.

    Args:
        architecture: architecture that builds encoder and decoder.
        shape: shape of one row.
        output: output function after the decoder's last layer: "identity", "sigmoid" for rows in [0, 1], or "softmax"
            over the row's positions.
        outputs: encoder outputs per unit of the code; the first of them is the code's mean.
        residual: whether to add the decoder's output to the input, so that the network predicts the difference.
    """

    def __init__(
        self,
        architecture: Architecture,
        shape: Annotated[Sequence[Count], MinLen(1)],
        output: Output = "identity",
        outputs: Annotated[int, Ge(1), Le(2)] = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if residual and output != "identity":
            raise ValueError(f"residual=True predicts a difference, which output={output} cannot")
        self.encoder, self.decoder = architecture.build(shape, outputs)
        self.architecture, self.shape = architecture, tuple(shape)
        self.output, self.outputs, self.residual = output, outputs, residual

    def settings(self) -> dict[str, Any]:
        """Return plain types for `from_settings`."""
        return {
            "architecture": {"name": self.architecture.name, **self.architecture.settings()},
            "shape": list(self.shape),
            "output": self.output,
            "outputs": self.outputs,
            "residual": self.residual,
        }

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> AutoencoderNet:
        """Create a network with new weights, the inverse of `settings`.

        Raises:
            ValueError: the settings do not describe a network.
        """
        require_value(dict[str, Any], settings.get("architecture"), "architecture")
        named = dict(settings["architecture"])
        name = named.pop("name", None)
        if not isinstance(name, str) or name not in ARCHITECTURES:
            raise ValueError(f"architecture.name={format_value(name)} must be one of {', '.join(ARCHITECTURES)}")
        require_arguments(ARCHITECTURES[name], named, "architecture")
        rest = {key: value for key, value in settings.items() if key != "architecture"}
        built = ARCHITECTURES[name](**named)
        require_arguments(cls, rest | {"architecture": built}, "net")
        return cls(built, **rest)

    def code(self, rows: Tensor) -> Tensor:
        """Return the mean code, shape (n, *shape) to (n, code), or (n, channels, height, width) without bottleneck."""
        return torch.as_tensor(self.encoder(rows)).chunk(self.outputs, 1)[0]

    def logits(self, code: Tensor, rows: Tensor) -> Tensor:
        """Return the decoder's output before the output function; a residual network adds it to `rows`.

        Images are cropped to the size of `rows`.
        """
        answer = torch.as_tensor(self.decoder(code))
        if answer.ndim == 4:  # folding may have padded the image
            answer = answer[..., : rows.shape[2], : rows.shape[3]]
        return answer + rows if self.residual else answer

    def finish(self, logits: Tensor) -> Tensor:
        """Apply the output function."""
        if self.output == "sigmoid":
            return logits.sigmoid()
        return logits.flatten(1).softmax(1).view_as(logits) if self.output == "softmax" else logits

    def forward(self, rows: Tensor) -> Tensor:
        """Encode rows to their mean code and decode it, shape (n, *shape)."""
        return self.finish(self.logits(self.code(rows), rows))
