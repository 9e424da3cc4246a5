"""Interface of code regularisers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Regulariser(ABC):
    """A penalty on the code; it may also sample the code instead of using the encoder's output directly.

    Attributes:
        outputs: encoder outputs per unit of the code.
    """

    outputs: int = 1

    def draw(self, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Return the code that the decoder receives in training; by default the encoder's output, unchanged."""
        return encoded

    @abstractmethod
    def penalty(self, encoder: nn.Module, rows: Tensor, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Compute the weighted penalty of each row, shape (n,).

        Args:
            encoder: network from rows to encoder outputs.
            rows: input of the encoder, shape (n, *shape).
            encoded: output of the encoder for these rows, shape (n, code * outputs).
            generator: source of random numbers, for penalties that are estimated.
        """
