"""The network of adversarial neural cryptography: a fully connected layer followed by local convolutions."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class MixTransform(nn.Module):
    """One fully connected layer and four convolutions (Abadi and Andersen 2016, section 2.4 and figure 2).

    The convolutions have kernel sizes 4, 2, 1, 1, strides 1, 2, 1, 1 and 2, 4, 4, 1 channels. All layers have sigmoid
    activations, except the last, which has tanh. Each convolution is computed as a matrix product with the gathered
    windows, which on a CPU is many times faster than a convolution with few channels.

    Args:
        inputs: number of input values, for example plaintext, key and nonce bits as -1 and 1.
        outputs: number of output values, each in (-1, 1).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Linear(inputs, 2 * outputs)
        self.transform = nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)])

    def forward(self, x: Tensor) -> Tensor:
        """Map shape (batch, inputs) to (batch, outputs)."""
        mixed = torch.sigmoid(self.mix(x)).t()  # channels first from here: (channels, places * batch)
        places, batch = mixed.shape
        padded = nn.functional.pad(mixed, (0, 0, 1, 2))
        windows = torch.stack([padded[i : i + places] for i in range(4)]).flatten(1)
        first = torch.sigmoid(self._convolve(0, windows)).view(2, places // 2, 2, batch)
        pairs = first.transpose(1, 2).reshape(4, -1)
        local = torch.sigmoid(self._convolve(2, torch.sigmoid(self._convolve(1, pairs))))
        return torch.tanh(self._convolve(3, local)).view(-1, batch).t()

    def _convolve(self, index: int, windows: Tensor) -> Tensor:
        layer = cast(nn.Linear, self.transform[index])
        return torch.addmm(layer.bias[:, None], layer.weight, windows)


class AliceAndBob(nn.Module):
    """Two networks that share a key: Alice encrypts a block of bits, Bob decrypts it.

    Args:
        bits: length of a block, of the key and of the nonce in bits.
    """

    def __init__(self, bits: int = 16) -> None:
        super().__init__()
        self.bits = bits
        self.alice, self.bob = MixTransform(3 * bits, bits), MixTransform(3 * bits, bits)

    def seal(self, plain: Tensor, key: Tensor, nonce: Tensor) -> Tensor:
        """Encrypt blocks; all tensors have shape (batch, bits), the inputs are -1 and 1, the output is in (-1, 1)."""
        return torch.as_tensor(self.alice(torch.cat([plain, key, nonce], 1)))

    def open(self, sealed: Tensor, key: Tensor, nonce: Tensor) -> Tensor:
        """Decrypt blocks; return estimates of the plain bits in (-1, 1), shape (batch, bits)."""
        return torch.as_tensor(self.bob(torch.cat([sealed, key, nonce], 1)))
