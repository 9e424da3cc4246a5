"""A block cipher that permutes bits: the positive control of attacks on blocks of any length."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import Depth, require_value
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext


class BitTransposition(Cipher):
    """Permutes the bits of each block and flips some of them: linear, so that a few known pairs break it.

    Args:
        block: number of characters per block, of 8 bits each.
        order: position in the plain block of each ciphertext bit, shape (8 * block,); None keeps the order, until
            `with_fresh_key` draws a key.
        mask: bits to flip, shape (8 * block,), 0 or 1; None flips none.
    """

    def __init__(self, block: Depth = 1, order: np.ndarray | None = None, mask: np.ndarray | None = None) -> None:
        self.block = block
        self.order = np.arange(8 * block) if order is None else order
        self.mask = np.zeros(8 * block, np.uint8) if mask is None else mask

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols; the last block is padded with spaces, and there is no nonce."""
        padded = np.pad(symbols, (0, -len(symbols) % self.block)).astype(np.uint8)
        plain = np.unpackbits(padded.reshape(-1, self.block), axis=1)
        codes, n = np.packbits(plain[:, self.order] ^ self.mask, axis=1), len(plain)
        return Ciphertext(codes, np.full(n, 8 * self.block), np.zeros(n, np.int64), b"", len(symbols))

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Decrypt a message, shape (length,), uint8."""
        plain = (ciphertext.unpack() ^ self.mask)[:, np.argsort(self.order)]
        return np.packbits(plain, axis=1).reshape(-1)[: ciphertext.length]

    def with_fresh_key(self, rng: np.random.Generator) -> BitTransposition:
        """Return the same cipher with a random order and mask."""
        size = 8 * self.block
        return BitTransposition(self.block, rng.permutation(size), rng.integers(0, 2, size, dtype=np.uint8))

    def with_key_bit_flipped(self, rng: np.random.Generator) -> BitTransposition:
        """Return the same cipher with one random bit of the mask flipped."""
        mask = self.mask.copy()
        mask[rng.integers(len(mask))] ^= 1
        return BitTransposition(self.block, self.order, mask)

    def settings(self) -> dict[str, Any]:
        """Return the number of characters per block."""
        return {"block": self.block}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the key: order and mask."""
        return {"order": self.order.astype(np.int64), "mask": self.mask}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> BitTransposition:
        """Construct the cipher from its settings and arrays.

        Raises:
            ValueError: a setting or an array is missing or invalid.
        """
        require_value(Depth, settings.get("block"), "settings.block")
        size = 8 * settings["block"]
        order = require_array(arrays, "order", np.int64, (size,), high=size - 1)
        if len(np.unique(order)) < size:
            raise ValueError("order must be a permutation")
        return cls(settings["block"], order, require_array(arrays, "mask", np.uint8, (size,), high=1))
