"""The one-time pad: a fresh random key as long as the text. Perfectly secret if used once (Shannon 1949)."""

from __future__ import annotations

import hashlib

import numpy as np

from veilbench.bench.trained_model import unsupported
from veilbench.families.ciphers.baselines.stream import StreamCipher


class OneTimePad(StreamCipher):
    """A one-time pad in which each message uses its own page.

    The pad is a long keystream expanded from a seed, so that runs are reproducible; the nonce of a message selects its
    page. A repeated nonce uses a page twice, which breaks the pad, as the setting `nonce_reuse` of `ChosenPlaintext`
    shows.
    """

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes by exclusive or with the page of the nonce."""
        page = hashlib.shake_256(self.key.tobytes() + nonce).digest(len(plain))
        return (np.frombuffer(plain, np.uint8) ^ np.frombuffer(page, np.uint8)).tobytes()

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """Decrypt bytes by exclusive or with the page of the nonce."""
        return self.seal(sealed, nonce)

    def encrypt_blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """Encrypt blocks of bits by exclusive or with their keys; the nonces are not used."""
        return np.asarray(2 * np.bitwise_xor(plain, keys).astype(np.float32) - 1)

    @unsupported("each bit of a one-time pad touches exactly one bit of ciphertext, by design")
    def with_key_bit_flipped(self, rng: np.random.Generator) -> StreamCipher:
        """Raise an error: each key bit of a pad affects exactly one bit of ciphertext by design.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("each bit of a one-time pad touches exactly one bit of ciphertext, by design")
