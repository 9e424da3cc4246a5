"""A cipher with a repeated 16-bit key: the positive control of the key search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from veilbench.families.ciphers.baselines.stream import StreamCipher
from veilbench.families.ciphers.schemes.base import Ciphertext
from veilbench.text.alphabet import FIRST


class RepeatedKey(StreamCipher):
    """The Vigenere cipher on bytes (Vigenere 1586) with a two-byte key; the nonce is ignored."""

    key_bytes = 2

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes by exclusive or with the repeated key."""
        key = self.key.tobytes()
        return bytes(byte ^ key[place % 2] for place, byte in enumerate(plain))

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """Decrypt bytes by exclusive or with the repeated key."""
        return self.seal(sealed, nonce)

    def decrypt_under(self, numbers: Sequence[int], ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """Yield the message decrypted under each key, as `StreamCipher.decrypt_under`, for all keys at once."""
        keys = np.array(numbers, ">u2")[:, None].view(np.uint8)[:, -self.key_bytes :]
        yield from (ciphertext.codes[:, 0] ^ keys[:, np.arange(ciphertext.length) % self.key_bytes]) - FIRST
