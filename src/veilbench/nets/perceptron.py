"""A multilayer perceptron that a configuration can describe."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import MinLen
from torch import nn

from veilbench.bench.limits import Width

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid}


class Perceptron(nn.Sequential):
    """Linear layers with an activation after each but the last.

    The weights have the names of `nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c))`: "0.weight", "0.bias",
    "2.weight" and so on.

    Args:
        widths: units of the input, of each hidden layer and of the output.
        activation: activation after each layer but the last.
        last: activation after the last layer; None for none.
    """

    def __init__(
        self,
        widths: Annotated[Sequence[Width], MinLen(2)],
        activation: Literal["relu", "tanh", "gelu", "sigmoid"] = "relu",
        last: Literal["relu", "tanh", "gelu", "sigmoid"] | None = None,
    ) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
        layers[-1:] = [ACTIVATIONS[last]()] if last else []
        super().__init__(OrderedDict((str(place), layer) for place, layer in enumerate(layers)))
