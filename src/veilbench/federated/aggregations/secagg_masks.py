"""Numbers as integers of a ring, and masks that are added to them there."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.flower_library import flower


@dataclass(frozen=True)
class Ring:
    """Integers modulo 2**bits, in which so many clients' values can be added without running over.

    Attributes:
        clients: at most, in one sum.
        largest: of a value's magnitude.
        bits: of the modulus.
    """

    clients: int
    largest: float
    bits: Literal[32, 64]

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Of a number on the wire, little end first."""
        return np.dtype(f"<u{self.bits // 8}")

    @property
    def step(self) -> float:
        """Between two values that differ; a value's error is half of it, at most."""
        levels: int = 2 ** (self.bits - 1) - 1
        return self.largest / (levels // self.clients)

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Values to integers, to the nearest: unlike Flower's draw this repeats.

        Raises:
            UserError: a value is too large.
        """
        if (found := float(np.abs(values).max())) > self.largest:
            raise UserError(
                f"a weighted value of {found:g} is too large for secure aggregation: at most {self.largest:g}; "
                "give weights as shares, or raise aggregation.largest"
            )
        made: np.ndarray = np.rint(values / self.step).astype(np.int64).astype(self.dtype)
        return made

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The inverse, also of a sum, up to the error of each."""
        made: np.ndarray = numbers.view(f"<i{self.bits // 8}") * self.step
        return made

    def mask(self, seed: bytes, size: int) -> np.ndarray:
        """That many uniform integers from 32 bytes: AES-256 in counter mode (Bonawitz et al. 2017, section 3.3)."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
        return np.frombuffer(stream.update(bytes(size * self.dtype.itemsize)), self.dtype)


def shared_seed(private: bytes, public: bytes) -> bytes:
    """What two parties agree on, 32 bytes: Flower's ECDH over P-384 and HKDF."""
    keys = flower("supercore.primitives.asymmetric")
    made = flower("common.secure_aggregation.crypto.symmetric_encryption").generate_shared_key(
        keys.bytes_to_private_key(private), keys.bytes_to_public_key(public)
    )
    return base64.urlsafe_b64decode(made)


def signed(numbers: np.ndarray, first: int, second: int) -> np.ndarray:
    """The mask between two clients as the first adds it: the second adds its inverse."""
    return numbers if first > second else -numbers
