"""ChaCha20-Poly1305 (RFC 8439) as an object that encrypts bytes: an example of what `ObjectCipher` takes."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

NONCE_BYTES = 12


class ChaCha20:
    """ChaCha20-Poly1305 with a fresh nonce in front of each ciphertext and a tag of 16 bytes behind it.

    Args:
        key: the key, 32 bytes; None uses zeros.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.cipher = ChaCha20Poly1305(key or bytes(32))

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt bytes under a fresh nonce."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.cipher.encrypt(nonce, plain, None)

    def decrypt(self, sealed: bytes) -> bytes:
        """Verify the tag and decrypt bytes.

        Raises:
            cryptography.exceptions.InvalidTag: the message was changed, or encrypted under another key.
        """
        return self.cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
