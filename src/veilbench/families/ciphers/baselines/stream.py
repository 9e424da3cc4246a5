"""Real cryptography under the bench's interface: ciphers that add a keystream to bytes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.text.alphabet import FIRST


class StreamCipher(Cipher):
    """A cipher of one byte per character under a key of bytes.

    Args:
        key: shape (bytes,), uint8; None until `with_fresh_key` draws one.
    """

    key_bytes = 32
    nonce_bytes = 16
    tag_bytes = 0
    deterministic = False

    def __init__(self, key: np.ndarray | None = None) -> None:
        self.key = np.zeros(self.key_bytes, np.uint8) if key is None else key

    @abstractmethod
    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes; a tag, if any, at the end."""

    @abstractmethod
    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """The inverse of `seal`."""

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """See `Cipher.encrypt`; a tag travels with the nonce."""
        nonce = rng.bytes(self.nonce_bytes) if nonce is None else nonce[: self.nonce_bytes]
        sealed = self.seal((symbols + FIRST).astype(np.uint8).tobytes(), nonce)
        n = len(symbols)
        codes = np.frombuffer(sealed[:n], np.uint8)[:, None]
        return Ciphertext(codes, np.full(n, 8), np.zeros(n, np.int64), nonce + sealed[n:], n)

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """See `Cipher.decrypt`.

        Raises:
            UserError: the tag does not fit.
        """
        nonce, tag = ciphertext.nonce[: self.nonce_bytes], ciphertext.nonce[self.nonce_bytes :]
        plain = self.unseal(ciphertext.codes.tobytes() + tag, nonce)
        return np.frombuffer(plain, np.uint8) - FIRST

    def with_fresh_key(self, rng: np.random.Generator) -> StreamCipher:
        """See `Cipher.with_fresh_key`."""
        return type(self)(rng.integers(0, 256, self.key_bytes, dtype=np.uint8))

    def with_key_bit_flipped(self, rng: np.random.Generator) -> StreamCipher:
        """See `Cipher.with_key_bit_flipped`."""
        key, bit = self.key.copy(), int(rng.integers(8 * len(self.key)))
        key[bit // 8] ^= 128 >> bit % 8
        return type(self)(key)

    @property
    def key_bits(self) -> int:  # type: ignore[override]
        """See `Cipher`."""
        return 8 * self.key_bytes

    def decrypt_under(self, numbers: range, ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """See `Cipher.decrypt_under`; a number is a key read as a big-endian integer."""
        for number in numbers:
            key = np.frombuffer(number.to_bytes(self.key_bytes, "big"), np.uint8)
            yield type(self)(key).decrypt(ciphertext)

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """The key."""
        return {"key": self.key}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> StreamCipher:
        """See `Subject.restore`.

        Raises:
            ValueError: the key has a wrong length.
        """
        return cls(require_array(arrays, "key", np.uint8, (cls.key_bytes,)))
