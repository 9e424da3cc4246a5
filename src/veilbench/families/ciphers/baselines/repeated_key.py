"""A key of 16 bits added to the text over and over: broken by trying every key, and kept for that."""

from __future__ import annotations

from veilbench.families.ciphers.baselines.stream import StreamCipher


class RepeatedKey(StreamCipher):
    """The Vigenere cipher on bytes (Vigenere 1586), with a nonce that it ignores."""

    key_bytes = 2

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """See `StreamCipher.seal`."""
        key = self.key.tobytes()
        return bytes(byte ^ key[place % 2] for place, byte in enumerate(plain))

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """See `StreamCipher.unseal`: adding the key again."""
        return self.seal(sealed, nonce)
