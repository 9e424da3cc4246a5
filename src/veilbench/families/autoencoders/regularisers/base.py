"""The interface of code regularisers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Regulariser(ABC):
    """A penalty on the code; it may also draw the code instead of taking it as it is.

    Attributes:
        outputs: numbers that the encoder puts out per unit of the code.
    """

    outputs: int = 1

    def draw(self, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """The code that the decoder gets while training, from what the encoder puts out; here the same."""
        return encoded

    @abstractmethod
    def penalty(self, encoder: nn.Module, rows: Tensor, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """The penalty of each row, weighted, shape (n,).

        Args:
            encoder: from rows to what it puts out.
            rows: shape (n, *shape).
            encoded: what the encoder puts out for these rows, shape (n, code * outputs).
            generator: for penalties that are estimated.
        """
