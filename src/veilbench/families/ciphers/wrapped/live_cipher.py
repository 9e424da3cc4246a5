"""A cipher object of the caller, examined as it is."""

from __future__ import annotations

from typing import Any

from veilbench.bench.live_model import LiveModel
from veilbench.families.ciphers.wrapped.byte_cipher import ByteCipher, call_cipher

METHODS = ("encrypt", "decrypt")


class LiveCipher(LiveModel, ByteCipher):
    """An object with the methods `encrypt(bytes) -> bytes` and `decrypt(bytes) -> bytes`, under its own fixed key.

    Args:
        cipher: the object.
        header: bytes of ciphertext in front of the first block.
        block: number of characters per block.
        code: number of bytes of ciphertext per block.
    """

    def __init__(self, cipher: Any, header: int = 0, block: int = 1, code: int = 1) -> None:
        super().__init__(0, header, block, code)
        self.cipher = cipher

    def described(self) -> str:
        """Return the name of the object's class."""
        return type(self.cipher).__name__

    def encrypt_bytes(self, plain: bytes) -> bytes:
        """Encrypt bytes."""
        return call_cipher(self.cipher, "encrypt", plain, self.described())

    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """Decrypt bytes as `encrypt_bytes` returned them."""
        return call_cipher(self.cipher, "decrypt", sealed, self.described())


def adapt(model: Any) -> LiveCipher | None:
    """Return a live cipher for an object with the methods `encrypt` and `decrypt`; None for any other object."""
    return LiveCipher(model) if all(callable(getattr(model, name, None)) for name in METHODS) else None
