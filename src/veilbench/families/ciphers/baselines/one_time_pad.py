"""The one-time pad: as much fresh random key as text. Safe against every attacker, once (Shannon 1949)."""

from __future__ import annotations

import hashlib

import numpy as np

from veilbench.bench.subject import unsupported
from veilbench.families.ciphers.baselines.stream import StreamCipher


class OneTimePad(StreamCipher):
    """Each message takes a page of the pad that no other message ever takes.

    The bench's pad is a long keystream expanded from a seed, so that runs repeat; the pages are addressed by the
    message's nonce. A page asked for twice under one nonce is the pad's misuse, which `nonce_reuse` shows.
    """

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """See `StreamCipher.seal`."""
        page = hashlib.shake_256(self.key.tobytes() + nonce).digest(len(plain))
        return (np.frombuffer(plain, np.uint8) ^ np.frombuffer(page, np.uint8)).tobytes()

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """See `StreamCipher.unseal`."""
        return self.seal(sealed, nonce)

    def blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """See `Cipher.blocks`: the exclusive or of bits and key."""
        return np.asarray(2 * np.bitwise_xor(plain, keys).astype(np.float32) - 1)

    @unsupported("each bit of a one-time pad touches exactly one bit of ciphertext, by design")
    def with_key_bit_flipped(self, rng: np.random.Generator) -> StreamCipher:
        """Not offered: in a pad each key bit touches one bit of one message, by design."""
        raise NotImplementedError("each bit of a one-time pad touches exactly one bit of ciphertext, by design")
