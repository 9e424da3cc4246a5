"""Fully connected encoders and decoders for rows of any shape."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from torch import nn

from veilbench.bench.limits import Width, require_weights

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
Activation = Literal["relu", "leaky_relu", "elu", "tanh", "sigmoid", "identity"]


def make_activation(name: str) -> nn.Module:
    """Return the activation module with this name."""
    return nn.Identity() if name == "identity" else ACTIVATIONS[name]()


class Dense:
    """Builds a fully connected encoder and decoder: input, hidden layers, code, mirrored hidden layers, output.

    Args:
        code: number of units of the code.
        layers: number of hidden layers between input and code, on either side. 0 makes a linear code.
        nodes: units of the hidden layers: `shrink` interpolates geometrically from the input to the code; `grow`
            doubles from the input with each layer, for over-complete networks; or a list of `layers` numbers.
        activation: activation after every hidden layer.
        code_activation: activation after the code layer.
    """

    name = "dense"
    bottleneck = True

    def __init__(
        self,
        code: Width = 8,
        layers: Annotated[int, Ge(0), Le(1_000)] = 2,
        nodes: Literal["shrink", "grow"] | Sequence[Width] = "shrink",
        activation: Activation = "relu",
        code_activation: Activation = "identity",
    ) -> None:
        if not isinstance(nodes, str) and len(nodes) != layers:
            raise ValueError(f"nodes={list(nodes)} must name {layers} numbers, one for each of the layers={layers}")
        self.code, self.layers = code, layers
        self.nodes = nodes if isinstance(nodes, str) else list(nodes)
        self.activation, self.code_activation = activation, code_activation

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("code", "layers", "nodes", "activation", "code_activation")
        return {name: getattr(self, name) for name in names}

    def widths(self, inputs: int) -> list[int]:
        """Return the units of each layer, from the input to the code."""
        if self.nodes == "shrink":
            return [int(w) for w in np.geomspace(inputs, self.code, self.layers + 2).round()]
        if self.nodes == "grow":
            return [inputs * 2**layer for layer in range(self.layers + 1)] + [self.code]
        return [inputs, *(int(n) for n in self.nodes), self.code]

    def build(self, shape: Sequence[int], outputs: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
        """Build an encoder and a decoder with new weights.

        Args:
            shape: shape of one row.
            outputs: encoder outputs per unit of the code; 2 for a mean and a deviation.

        Returns:
            The encoder, from (n, *shape) to (n, code * outputs), and the decoder, from (n, code) to (n, *shape).

        Raises:
            UserError: the weights do not fit into memory.
        """
        widths = self.widths(int(np.prod(shape)))
        down = [*widths[:-1], widths[-1] * outputs]
        shapes = [*itertools.pairwise(down), *itertools.pairwise(widths[::-1])]
        require_weights(f"nets of code={self.code}, layers={self.layers}, nodes={self.nodes}", shapes)
        encoder = [nn.Flatten(), *self._stack(down), make_activation(self.code_activation)]
        decoder = [*self._stack(widths[::-1]), nn.Unflatten(1, tuple(shape))]
        return nn.Sequential(*encoder), nn.Sequential(*decoder)

    def _stack(self, widths: Sequence[int]) -> list[nn.Module]:
        """Return linear layers with activations between them."""
        made: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            made += [nn.Linear(before, after), make_activation(self.activation)]
        return made[:-1]
