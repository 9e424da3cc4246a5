"""The interface of everything that encrypts text character by character, neural or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from veilbench.bench.subject import Subject, unsupported
from veilbench.families.ciphers.data.text import Texts


@dataclass(frozen=True)
class Ciphertext:
    """One encrypted message.

    Attributes:
        codes: shape (blocks, bytes), uint8: the code of each block, most significant bit first, zero-padded.
        bits: shape (blocks,): how many bits of each code are meant.
        members: shape (blocks,): the ensemble member that made each block, as published; zeros where there is
            only one.
        nonce: what was drawn for this message, as published; empty where there is none.
        length: characters of the message.
    """

    codes: np.ndarray
    bits: np.ndarray
    members: np.ndarray
    nonce: bytes
    length: int

    def unpacked(self) -> np.ndarray:
        """Shape (blocks, bytes * 8), values 0 and 1."""
        return np.unpackbits(self.codes, axis=1)


class Cipher(Subject):
    """A scheme with a key. Symbols are those of `veilbench.text.alphabet`.

    Attributes:
        block: characters per block of ciphertext.
        deterministic: the same block always has the same code (given the member, where there are several).
        rekeys: a fresh key is a draw, not a training.
        key_bits: bits of a key that can be tried by number; 0 where keys have no numbers.
    """

    data_kind = Texts
    block: int = 1
    deterministic: bool = True
    rekeys: bool = True
    key_bits: int = 0

    @abstractmethod
    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols, shape (length,), uint8.

        Args:
            symbols: the message.
            rng: draws the nonce and the members. The bench draws from a seed to be reproducible; the file tools
                draw from the operating system.
            nonce: use this one instead of drawing one (an attack may reuse a nonce).
        """

    @abstractmethod
    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """The message, shape (length,), uint8."""

    @abstractmethod
    def with_fresh_key(self, rng: np.random.Generator) -> Cipher:
        """The same scheme under a new random key.

        Raises:
            NotImplementedError: a fresh key would need a fresh training.
        """

    def fit(self, data: Any, rng: np.random.Generator) -> Cipher:
        """See `Subject.fit`: a cipher only needs a key."""
        return self.with_fresh_key(rng)

    @abstractmethod
    def with_key_bit_flipped(self, rng: np.random.Generator) -> Cipher:
        """The same scheme with one bit of the key changed, chosen at random.

        Raises:
            NotImplementedError: the scheme has no key in bits.
        """

    @unsupported("its keys cannot be tried by number")
    def decrypt_under(self, numbers: range, ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """What the keys of these numbers make of a ciphertext, one message each.

        Raises:
            NotImplementedError: the scheme's keys have no numbers.
        """
        raise NotImplementedError("its keys cannot be tried by number")

    @unsupported("it does not encrypt blocks of bits")
    def blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """Encrypt blocks of bits, each under a key and a nonce of its own; all of shape (n, bits), values 0 and 1.

        Returns:
            What is visible of each block: shape (n, bits), float32 in [-1, 1].

        Raises:
            NotImplementedError: the scheme does not work on blocks of bits.
        """
        raise NotImplementedError("it does not encrypt blocks of bits")

    def features(self, ciphertext: Ciphertext) -> np.ndarray:
        """What a learner is shown of each block, shape (blocks, features), float32; public things only.

        Here: the bits of the code as -1 and 1, then the member's id as a one-hot row.
        """
        members = np.eye(int(ciphertext.members.max(initial=0)) + 1, dtype=np.float32)[ciphertext.members]
        return np.hstack([2 * ciphertext.unpacked().astype(np.float32) - 1, members])

    def changed_bits(self, one: Ciphertext, other: Ciphertext) -> float:
        """The share of the code's bits in which two ciphertexts of the same length differ."""
        differing = (one.unpacked() != other.unpacked()).sum()
        return float(differing / one.bits.sum())

    def bytes_per_character(self, symbols: np.ndarray, rng: np.random.Generator) -> float:
        """Bytes of ciphertext per character, nonce and published ids included."""
        made = self.encrypt(symbols, rng)
        ids = len(made.members) if made.members.any() else 0
        return (float(np.ceil(made.bits / 8).sum()) + ids + len(made.nonce)) / made.length
