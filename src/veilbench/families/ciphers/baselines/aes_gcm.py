"""AES-256 in Galois/counter mode (NIST SP 800-38D), from the library `cryptography`."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.baselines.stream import StreamCipher


class AesGcm(StreamCipher):
    """AES-256-GCM with a fresh 12-byte nonce and a 16-byte authentication tag per message."""

    nonce_bytes = 12
    tag_bytes = 16

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes and append the tag."""
        return AESGCM(self.key.tobytes()).encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """Verify the tag at the end and decrypt the rest.

        Raises:
            UserError: the message was changed, or encrypted under another key.
        """
        try:
            return AESGCM(self.key.tobytes()).decrypt(nonce, sealed, None)
        except InvalidTag:
            raise UserError("the message was changed, or encrypted under another key") from None
