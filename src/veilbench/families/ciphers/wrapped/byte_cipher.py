"""Base class of ciphers that the user brings: bytes in, bytes out, and nothing else is known about them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.foreign import foreign_errors
from veilbench.bench.limits import require_arguments
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.text.alphabet import FIRST, LAST

KeyBytes = Annotated[int, Ge(0), Le(1024)]
HeaderBytes = Annotated[int, Ge(0), Le(10**6)]
NO_NONCE = "the nonce cannot be chosen: this cipher draws its own"
NO_KEY = "its key cannot be changed: key_bytes is 0"
TRIED = b"The quick brown fox jumps over the lazy dog, 0123456789."


class ByteCipher(Cipher):
    """A cipher of bytes, whose ciphertext is cut into blocks so that attacks can align it with the text.

    A ciphertext is a header (nonce, version), then one piece of `code` bytes for each `block` characters, then a
    trailer (authentication tag, padding). Header and trailer are public and count for the ciphertext's size. Set
    `header=16, block=16, code=16` for AES-CBC with its initialisation vector in front, and `block=3, code=4` for
    base64. The cipher draws its own randomness, so that figures vary a little between runs.

    Args:
        key_bytes: length of the key in bytes, which the wrapper draws; 0 if the cipher has its own key or none.
        header: bytes of ciphertext in front of the first block.
        block: number of characters per block.
        code: number of bytes of ciphertext per block.
    """

    finished: ClassVar[bool] = True

    def __init__(self, key_bytes: int, header: int, block: int, code: int) -> None:
        self.key_bytes, self.header, self.block, self.code = key_bytes, header, block, code
        self.key, self.rekeys = np.zeros(key_bytes, np.uint8), key_bytes > 0
        self.deterministic = False  # until `fit` has encrypted a text twice

    @abstractmethod
    def encrypt_bytes(self, plain: bytes) -> bytes:
        """Encrypt bytes under the key.

        Raises:
            UserError: the cipher failed.
        """

    @abstractmethod
    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """Decrypt bytes as `encrypt_bytes` returned them.

        Raises:
            UserError: the cipher failed.
        """

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols as ASCII; `rng` is not used.

        Raises:
            NotImplementedError: a nonce is given, and the cipher draws its own.
            UserError: the cipher failed, or its ciphertext is shorter than `header`, `block` and `code` say.
        """
        if nonce and not self.deterministic:
            raise NotImplementedError(NO_NONCE)
        sealed, blocks = (
            self.encrypt_bytes((symbols + FIRST).astype(np.uint8).tobytes()),
            -(-len(symbols) // self.block),
        )
        end = self.header + blocks * self.code
        if len(sealed) < end:
            layout = f"header={self.header}, block={self.block} and code={self.code} need {end}"
            raise UserError(f"the ciphertext of {len(symbols)} characters has {len(sealed)} bytes, and {layout}")
        codes = np.frombuffer(sealed[self.header : end], np.uint8).reshape(blocks, self.code)
        bits, members = np.full(blocks, 8 * self.code), np.zeros(blocks, np.int64)
        return Ciphertext(codes, bits, members, sealed[: self.header] + sealed[end:], len(symbols))

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Decrypt a message, shape (length,), uint8.

        Bytes outside the alphabet become spaces, and missing ones too: a cipher that loses text does not end the run.

        Raises:
            UserError: the cipher failed.
        """
        head, tail = ciphertext.nonce[: self.header], ciphertext.nonce[self.header :]
        plain = np.frombuffer(self.decrypt_bytes(head + ciphertext.codes.tobytes() + tail), np.uint8)
        plain = np.where((plain < FIRST) | (plain > LAST), FIRST, plain)[: ciphertext.length]
        return np.pad(plain, (0, ciphertext.length - len(plain)), constant_values=FIRST).astype(np.uint8) - FIRST

    def lacks(self) -> Mapping[str, str]:
        """Return what attacks cannot do: choose nonces, split characters that share a block, change a fixed key."""
        many = f"it encrypts {self.block} characters at once"
        blocks = {"single_characters": many} if self.block > 1 else {}
        keys = {} if self.key_bytes else dict.fromkeys(("with_key_bit_flipped", "decrypt_under"), NO_KEY)
        nonces = {} if self.deterministic else {"chosen_nonce": NO_NONCE}
        return {**nonces, **blocks, **keys}

    def fit(self, data: Texts, rng: np.random.Generator) -> Self:
        """Return the cipher under a random key, tried on a short text.

        Raises:
            UserError: the cipher fails, or does not decrypt what it encrypted.
        """
        model = self._under(rng.integers(0, 256, self.key_bytes, dtype=np.uint8))
        if (back := model.decrypt_bytes(model.encrypt_bytes(TRIED))) != TRIED:
            raise UserError(f"{model.described()} decrypts {TRIED[:20]!r}... to {back[:20]!r}...")
        model.deterministic = model.encrypt_bytes(TRIED) == model.encrypt_bytes(TRIED)
        return model

    @abstractmethod
    def described(self) -> str:
        """Return how error messages call the cipher."""

    def with_fresh_key(self, rng: np.random.Generator) -> Self:
        """Return the same cipher under a new random key.

        Raises:
            NotImplementedError: the key is fixed.
        """
        if not self.key_bytes:
            raise NotImplementedError(NO_KEY)
        return self._under(rng.integers(0, 256, self.key_bytes, dtype=np.uint8))

    def with_key_bit_flipped(self, rng: np.random.Generator) -> Self:
        """Return the same cipher with one random bit of the key flipped.

        Raises:
            NotImplementedError: the key is fixed.
        """
        if not self.key_bytes:
            raise NotImplementedError(NO_KEY)
        key, bit = self.key.copy(), int(rng.integers(8 * self.key_bytes))
        key[bit // 8] ^= 128 >> bit % 8
        return self._under(key)

    def _under(self, key: np.ndarray) -> Self:
        cipher = copy(self)
        cipher.key = key
        return cipher

    @property
    def key_bits(self) -> int:  # type: ignore[override]
        """Length of the key in bits; 0 if it is fixed."""
        return 8 * self.key_bytes

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the key, shape (key_bytes,), and whether equal texts have equal ciphertexts, shape (1,); uint8."""
        return {"key": self.key, "deterministic": np.array([self.deterministic], np.uint8)}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Construct the cipher from its settings and its key.

        Raises:
            ValueError: a setting or the key is missing or not allowed.
        """
        require_arguments(cls, settings, "settings")
        model = cls(**settings)
        model.deterministic = bool(require_array(arrays, "deterministic", np.uint8, (1,), high=1)[0])
        return model._under(require_array(arrays, "key", np.uint8, (model.key_bytes,)))


def call_cipher(cipher: Any, method: str, given: bytes, described: str) -> bytes:
    """Call a method of a foreign cipher, from bytes to bytes.

    Args:
        cipher: the object.
        method: "encrypt" or "decrypt".
        given: bytes to pass.
        described: how error messages call the cipher.

    Raises:
        UserError: the method failed, or returned something else than bytes.
    """
    with foreign_errors(f"{described}.{method} failed on {len(given)} bytes"):
        made = getattr(cipher, method)(given)
    if not isinstance(made, bytes | bytearray | memoryview):
        raise UserError(f"{described}.{method} returns {type(made).__name__}, and bytes are needed")
    return bytes(made)
