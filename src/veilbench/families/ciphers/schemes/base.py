"""Common interface of all text ciphers, neural or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from veilbench.bench.trained_model import TrainedModel, unsupported
from veilbench.families.ciphers.data.text import Texts
from veilbench.text.alphabet import decode, encode


@dataclass(frozen=True)
class Ciphertext:
    """One encrypted message.

    Attributes:
        codes: code of each block, shape (blocks, bytes), uint8, most significant bit first, zero-padded.
        bits: number of used bits of each code, shape (blocks,).
        members: public id of the ensemble member that encrypted each block, shape (blocks,); zeros if there is one
            member.
        nonce: public nonce of the message, followed by the authentication tag; empty for a cipher with neither.
        length: number of characters of the message.
    """

    codes: np.ndarray
    bits: np.ndarray
    members: np.ndarray
    nonce: bytes
    length: int

    def unpack(self) -> np.ndarray:
        """Return the codes as bits, shape (blocks, bytes * 8), values 0 and 1."""
        return np.unpackbits(self.codes, axis=1)


class Cipher(TrainedModel):
    """A cipher with a key. Messages are symbols of `veilbench.text.alphabet`.

    Attributes:
        block: number of characters per block of ciphertext.
        deterministic: whether the same block always has the same code, given the ensemble member.
        rekeys: whether a fresh key can be drawn without retraining.
        key_bits: length of the key in bits if keys can be enumerated, otherwise 0.
        members: number of ensemble members, between which a message switches.
    """

    data_kind = Texts
    block: int = 1
    deterministic: bool = True
    rekeys: bool = True
    key_bits: int = 0
    members: int = 1

    @abstractmethod
    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols, shape (length,), uint8.

        Args:
            symbols: the message, values 0 to 90.
            rng: generator of the nonce and the members. A seeded generator makes experiments reproducible; real files
                are encrypted by `files`, which uses the operating system's randomness.
            nonce: nonce to use instead of a random one, for attacks with nonce reuse.
        """

    @abstractmethod
    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Decrypt a message, shape (length,), uint8."""

    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Encrypt texts with fresh randomness.

        Args:
            inputs: texts of the characters chr(32) to chr(122), shape (n,).

        Returns:
            `ciphertext`: nonce and codes of each text in hexadecimal, shape (n,); `decrypted`: the text that comes
            back, shape (n,).

        Raises:
            UserError: a text has another character.
        """
        rng = np.random.default_rng()
        sealed = [self.encrypt(encode(str(text)), rng) for text in inputs]
        texts = [f"{one.nonce.hex()}{one.codes.tobytes().hex()}" for one in sealed]
        return {"ciphertext": np.array(texts), "decrypted": np.array([decode(self.decrypt(one)) for one in sealed])}

    @abstractmethod
    def with_fresh_key(self, rng: np.random.Generator) -> Cipher:
        """Return the same cipher under a new random key.

        Raises:
            NotImplementedError: a fresh key requires retraining.
        """

    def fit(self, data: Any, rng: np.random.Generator) -> Cipher:
        """Return the cipher under a random key; the data is not used."""
        return self.with_fresh_key(rng)

    @abstractmethod
    def with_key_bit_flipped(self, rng: np.random.Generator) -> Cipher:
        """Return the same cipher with one random bit of the key flipped.

        Raises:
            NotImplementedError: the cipher's key does not consist of bits.
        """

    @unsupported("its keys cannot be enumerated")
    def decrypt_under(self, numbers: Sequence[int], ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """Decrypt a ciphertext under several keys.

        Args:
            numbers: numbers of the keys to try, from 0 to 2**key_bits - 1.
            ciphertext: the message to decrypt.

        Yields:
            The message under each key, shape (length,).

        Raises:
            NotImplementedError: the cipher's keys cannot be enumerated.
        """
        raise NotImplementedError("its keys cannot be enumerated")

    @unsupported("it does not encrypt blocks of bits")
    def encrypt_blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """Encrypt blocks of bits, each under its own key and nonce.

        Args:
            plain: plain blocks, shape (n, bits), values 0 and 1.
            keys: one key per block, same shape.
            nonces: one nonce per block, same shape.

        Returns:
            The ciphertext of each block, shape (n, bits), float32 in [-1, 1].

        Raises:
            NotImplementedError: the cipher does not encrypt blocks of bits.
        """
        raise NotImplementedError("it does not encrypt blocks of bits")

    def extract_features(self, ciphertext: Ciphertext) -> np.ndarray:
        """Compute the public features of each block for learned attacks, shape (blocks, features), float32.

        By default these are the bits of the code as -1 and 1, followed by the member's id as a one-hot vector.
        """
        members = np.eye(int(ciphertext.members.max(initial=0)) + 1, dtype=np.float32)[ciphertext.members]
        return np.hstack([2 * ciphertext.unpack().astype(np.float32) - 1, members])

    def measure_changed_bits(self, one: Ciphertext, other: Ciphertext) -> float:
        """Return the share of code bits in which two ciphertexts of the same length differ."""
        differing = (one.unpack() != other.unpack()).sum()
        return float(differing / one.bits.sum())

    def bytes_per_character(self, symbols: np.ndarray, rng: np.random.Generator) -> float:
        """Return the bytes of ciphertext per character, including the nonce and the members' ids.

        Args:
            symbols: message to encrypt, shape (length,).
            rng: generator of the nonce and the members.
        """
        sealed = self.encrypt(symbols, rng)
        ids = len(sealed.members) if sealed.members.any() else 0
        return (float(np.ceil(sealed.bits / 8).sum()) + ids + len(sealed.nonce)) / sealed.length
