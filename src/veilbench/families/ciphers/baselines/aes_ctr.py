"""AES-256 in counter mode (NIST SP 800-38A, 6.5), from the library `cryptography`."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from veilbench.families.ciphers.baselines.stream import StreamCipher


class AesCtr(StreamCipher):
    """AES-256-CTR with a fresh 16-byte nonce per message and no authentication tag."""

    def _apply(self, data: bytes, nonce: bytes) -> bytes:
        encryptor = Cipher(algorithms.AES(self.key.tobytes()), modes.CTR(nonce)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes; the result has the same length."""
        return self._apply(plain, nonce)

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """Decrypt bytes by exclusive or with the same keystream."""
        return self._apply(sealed, nonce)
