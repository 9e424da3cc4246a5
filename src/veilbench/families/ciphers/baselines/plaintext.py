"""No encryption at all: each character's ASCII code."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.subject import unsupported
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.text.alphabet import FIRST


class Plaintext(Cipher):
    """Sends the text as it is: the positive control of every attack."""

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """See `Cipher.encrypt`."""
        n = len(symbols)
        return Ciphertext((symbols + FIRST)[:, None].astype(np.uint8), np.full(n, 8), np.zeros(n, np.int64), b"", n)

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """See `Cipher.decrypt`."""
        return np.asarray(ciphertext.codes[:, 0] - FIRST)

    def blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """See `Cipher.blocks`: the bits themselves."""
        return 2 * plain.astype(np.float32) - 1

    def with_fresh_key(self, rng: np.random.Generator) -> Plaintext:
        """There is no key."""
        return self

    @unsupported("plaintext has no key")
    def with_key_bit_flipped(self, rng: np.random.Generator) -> Cipher:
        """There is no key."""
        raise NotImplementedError("plaintext has no key")

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Plaintext:
        """See `Subject.restore`."""
        return cls()
