"""Encrypters and decrypters of single characters, M pairs evaluated together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from veilbench.nets.stacked_mlp import StackedMLP

THRESHOLD = 0.5


class CipherPairNet(nn.Module):
    """M encrypters from one-hot characters to codes, and M decrypters from codes to characters.

    Args:
        encrypter: layer widths of the encrypter, from the number of characters to the code's width.
        decrypter: layer widths of the decrypter, from the code's width to the number of characters.
        members: number of pairs, M.
        slope: negative slope of LeakyReLU.
        travels: input of the decrypter: `bits`, the encrypter's outputs after a threshold at 0.5, or `floats`, its raw
            outputs.
        centred: normalise every unit of the code to mean 0.5 and standard deviation 1 over the alphabet, so that the
            threshold splits the alphabet. This is needed to learn a code from scratch: the initial outputs of such a
            deep network all lie on one side of the threshold, so that training would not start.
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
        """Return the constructor's arguments."""
        widths = {"encrypter": self.encrypter.widths, "decrypter": self.decrypter.widths}
        rest = {
            "members": self.members,
            "slope": self.slope,
            "travels": self.travels,
            "centred": self.centred,
        }
        return widths | rest

    def encode_alphabet(self) -> Tensor:
        """Compute the encrypters' raw outputs for every character, shape (M, characters, bits)."""
        codes = self.encrypter.forward_one_hot(
            torch.arange(self.encrypter.widths[0], device=self.encrypter.biases[0].device)
        )
        if not self.centred:
            return codes
        deviation, mean = torch.std_mean(codes, 1, keepdim=True)
        return (codes - mean) / (deviation + 1e-6) + THRESHOLD

    def quantise(self, code: Tensor) -> Tensor:
        """Convert raw codes to the decrypter's input: thresholded bits as floats, or the codes unchanged."""
        return (code > THRESHOLD).to(code.dtype) if self.travels == "bits" else code

    @torch.no_grad()
    def tabulate(self, bits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate the networks on all characters, on the CPU; the tables describe the networks completely.

        Args:
            bits: number of used units in each member's code, shape (M,); the other units are set to zero.

        Returns:
            The packed codes, shape (M, characters, bytes), and the characters to which the decrypters decode them,
            shape (M, characters).
        """
        cpu = self.to("cpu")
        sent = cpu.quantise(cpu.encode_alphabet())
        sent = sent * (torch.arange(sent.shape[-1]) < torch.tensor(list(bits))[:, None, None])
        decoded = cpu.decrypter(sent).argmax(-1).to(torch.uint8).numpy()
        if self.travels == "bits":
            return np.packbits(sent.to(torch.uint8).numpy(), axis=-1), decoded
        return np.ascontiguousarray(sent.numpy().astype(">f4")).view(np.uint8), decoded
