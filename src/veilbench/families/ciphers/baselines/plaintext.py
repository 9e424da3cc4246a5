"""No encryption: each character is sent as its ASCII code."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.trained_model import unsupported
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.text.alphabet import FIRST


class Plaintext(Cipher):
    """Sends the text unencrypted: the positive control of every attack."""

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Return the ASCII codes of the symbols; `rng` and `nonce` are not used."""
        n = len(symbols)
        return Ciphertext((symbols + FIRST)[:, None].astype(np.uint8), np.full(n, 8), np.zeros(n, np.int64), b"", n)

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Return the symbols of the ASCII codes."""
        return np.asarray(ciphertext.codes[:, 0] - FIRST)

    def encrypt_blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """Return the plain bits as -1 and 1."""
        return 2 * plain.astype(np.float32) - 1

    def with_fresh_key(self, rng: np.random.Generator) -> Plaintext:
        """Return the cipher unchanged: there is no key."""
        return self

    @unsupported("plaintext has no key")
    def with_key_bit_flipped(self, rng: np.random.Generator) -> Cipher:
        """Raise an error: there is no key.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("plaintext has no key")

    def settings(self) -> dict[str, Any]:
        """Return an empty dict: there are no settings."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return an empty dict: there are no arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Plaintext:
        """Return a new instance; both arguments are empty."""
        return cls()
