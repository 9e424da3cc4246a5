"""An encrypter and a decrypter for single characters, M pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from veilbench.nets.stacked_mlp import StackedMLP

THRESHOLD = 0.5


class CipherPairNet(nn.Module):
    """M encrypters from one-hot characters to codes, and M decrypters back.

    Args:
        encrypter: layer widths, the number of characters first, the code's width last.
        decrypter: layer widths, the code's width first, the number of characters last.
        members: M.
        slope: LeakyReLU's slope below zero.
        travels: what goes from one to the other: the code's bits after a threshold at 0.5, or its raw floats.
        centred: shift and scale every unit of the code to mean 0.5 and deviation 1 over the alphabet, so that
            the threshold splits the alphabet. A pair that is to find bits of its own does not start without it:
            the first outputs of so deep a net all lie on one side.
    """

    def __init__(
        self,
        encrypter: Sequence[int],
        decrypter: Sequence[int],
        members: int = 1,
        slope: float = 0.3,
        travels: Literal["bits", "floats"] = "bits",
        centred: bool = False,
    ) -> None:
        super().__init__()
        if encrypter[0] != decrypter[-1]:
            raise ValueError(f"encrypter begins with {encrypter[0]}, but decrypter ends with {decrypter[-1]}")
        if encrypter[-1] != decrypter[0]:
            raise ValueError(f"encrypter ends with {encrypter[-1]}, but decrypter begins with {decrypter[0]}")
        self.encrypter = StackedMLP(encrypter, members, slope)
        self.decrypter = StackedMLP(decrypter, members, slope)
        self.members, self.slope, self.travels, self.centred = members, slope, travels, centred

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        widths = {"encrypter": self.encrypter.widths, "decrypter": self.decrypter.widths}
        rest = {
            "members": self.members,
            "slope": self.slope,
            "travels": self.travels,
            "centred": self.centred,
        }
        return widths | rest

    def book(self) -> Tensor:
        """The code of every character as the encrypters give it, shape (M, characters, bits)."""
        made = self.encrypter.forward_one_hot(
            torch.arange(self.encrypter.widths[0], device=self.encrypter.biases[0].device)
        )
        if not self.centred:
            return made
        deviation, mean = torch.std_mean(made, 1, keepdim=True)
        return (made - mean) / (deviation + 1e-6) + THRESHOLD

    def sent(self, code: Tensor) -> Tensor:
        """What travels for a code as the encrypter gave it."""
        return (code > THRESHOLD).to(code.dtype) if self.travels == "bits" else code

    @torch.no_grad()
    def tables(self, bits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Everything that these networks can do, on the CPU.

        Args:
            bits: shape (M,): how many units of each member's code are meant; the others travel as zeros.

        Returns:
            The packed codes, shape (M, characters, bytes), and the decrypters' answers to them, shape
            (M, characters).
        """
        cpu = self.to("cpu")
        sent = cpu.sent(cpu.book())
        sent = sent * (torch.arange(sent.shape[-1]) < torch.tensor(list(bits))[:, None, None])
        decoded = cpu.decrypter(sent).argmax(-1).to(torch.uint8).numpy()
        if self.travels == "bits":
            return np.packbits(sent.to(torch.uint8).numpy(), axis=-1), decoded
        return np.ascontiguousarray(sent.numpy().astype(">f4")).view(np.uint8), decoded
