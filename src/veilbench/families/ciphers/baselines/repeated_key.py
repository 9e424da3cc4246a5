"""A cipher with a repeated 16-bit key: the positive control of the key search."""

from __future__ import annotations

from veilbench.families.ciphers.baselines.stream import StreamCipher


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
