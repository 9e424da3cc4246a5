"""Base class of standard stream ciphers with the interface of `Cipher`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.text.alphabet import FIRST


class StreamCipher(Cipher):
    """A cipher that encrypts each character to one byte of ciphertext.

    Args:
        key: the key, shape (key_bytes,), uint8; None uses zeros, until `with_fresh_key` draws a key.

    Attributes:
        key_bytes: length of the key in bytes.
        nonce_bytes: length of the nonce in bytes.
        tag_bytes: length of the authentication tag in bytes; 0 for none.
    """

    key_bytes = 32
    nonce_bytes = 16
    tag_bytes = 0
    deterministic = False

    def __init__(self, key: np.ndarray | None = None) -> None:
        self.key = np.zeros(self.key_bytes, np.uint8) if key is None else key

    @abstractmethod
    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes; the authentication tag, if any, is appended."""

    @abstractmethod
    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """Decrypt bytes as returned by `seal`."""

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols; the authentication tag is stored behind the nonce."""
        nonce = rng.bytes(self.nonce_bytes) if nonce is None else nonce[: self.nonce_bytes]
        sealed = self.seal((symbols + FIRST).astype(np.uint8).tobytes(), nonce)
        n = len(symbols)
        codes = np.frombuffer(sealed[:n], np.uint8)[:, None]
        return Ciphertext(codes, np.full(n, 8), np.zeros(n, np.int64), nonce + sealed[n:], n)

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Decrypt a message, shape (length,), uint8.

        Raises:
            UserError: the authentication tag does not match.
        """
        nonce, tag = ciphertext.nonce[: self.nonce_bytes], ciphertext.nonce[self.nonce_bytes :]
        plain = self.unseal(ciphertext.codes.tobytes() + tag, nonce)
        return np.frombuffer(plain, np.uint8) - FIRST

    def with_fresh_key(self, rng: np.random.Generator) -> StreamCipher:
        """Return the same cipher under a new random key."""
        return type(self)(rng.integers(0, 256, self.key_bytes, dtype=np.uint8))

    def with_key_bit_flipped(self, rng: np.random.Generator) -> StreamCipher:
        """Return the same cipher with one random bit of the key flipped."""
        key, bit = self.key.copy(), int(rng.integers(8 * len(self.key)))
        key[bit // 8] ^= 128 >> bit % 8
        return type(self)(key)

    @property
    def key_bits(self) -> int:  # type: ignore[override]
        """Length of the key in bits; all keys can be enumerated."""
        return 8 * self.key_bytes

    def decrypt_under(self, numbers: Sequence[int], ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """Yield the message decrypted under each key; keys are numbered as big-endian integers."""
        for number in numbers:
            key = np.frombuffer(number.to_bytes(self.key_bytes, "big"), np.uint8)
            yield type(self)(key).decrypt(ciphertext)

    def settings(self) -> dict[str, Any]:
        """Return an empty dict: there are no settings."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the key, the only array."""
        return {"key": self.key}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> StreamCipher:
        """Construct the cipher from its key.

        Raises:
            ValueError: the key has a wrong length.
        """
        return cls(require_array(arrays, "key", np.uint8, (cls.key_bytes,)))
