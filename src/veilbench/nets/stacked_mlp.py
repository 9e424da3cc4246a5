"""Many small perceptrons of one shape, computed in parallel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from veilbench.bench.limits import require_weights


class StackedMLP(nn.Module):
    """M fully connected networks of the same widths, with LeakyReLU after every layer including the last.

    One batched matrix product per layer serves all networks: 64 networks cost about 9 times as much as one, not 64
    times.

    Args:
        widths: units of each layer, from input to output.
        members: number of networks M.
        slope: negative slope of LeakyReLU.
    """

    def __init__(self, widths: Sequence[int], members: int = 1, slope: float = 0.3) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"widths={list(widths)} must be at least two positive numbers, input and output")
        self.widths, self.members, self.slope = list(widths), members, slope
        shapes = list(itertools.pairwise(widths))
        require_weights(f"{members} nets of widths {list(widths)}", ((members, *shape) for shape in shapes))
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(members, i, o)) for i, o in shapes)
        self.biases = nn.ParameterList(nn.Parameter(torch.empty(members, 1, o)) for _, o in shapes)
        self.reset_parameters(torch.Generator().manual_seed(0))

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly from +-1/sqrt(inputs), the default of `nn.Linear`."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = weight.shape[1] ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Apply all networks, shape (M, batch, widths[0]) to (M, batch, widths[-1])."""
        return self._layers(x, 0)

    def forward_one_hot(self, symbols: Tensor) -> Tensor:
        """Apply all networks to one-hot rows given by the indices of the ones: (batch,) to (M, batch, widths[-1]).

        A product with a one-hot row selects a row of the weights, so the first product need not be computed.
        """
        first = self.weights[0].index_select(1, symbols) + self.biases[0]
        return self._layers(nn.functional.leaky_relu(first, self.slope), 1)

    def _layers(self, x: Tensor, start: int) -> Tensor:
        for layer in range(start, len(self.weights)):
            x = nn.functional.leaky_relu(torch.baddbmm(self.biases[layer], x, self.weights[layer]), self.slope)
        return x
