"""Quantisation to integers modulo a power of two, and masks for these integers."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.flower_library import import_flower

SEED_BYTES = 32  # a key of AES-256
SCALAR_BYTES = 48  # the secret number of a private key on the curve P-384


@dataclass(frozen=True)
class Ring:
    """Integers modulo 2**bits, in which the values of `clients` clients can be added without overflow.

    Attributes:
        clients: maximum number of terms in a sum.
        largest: maximum magnitude of a value.
        bits: the modulus is 2**bits.
    """

    clients: int
    largest: float
    bits: Literal[32, 64]

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Type of a masked value in a message: an unsigned little-endian integer."""
        return np.dtype(f"<u{self.bits // 8}")

    @property
    def step(self) -> float:
        """Quantisation step; the error of a value is at most half of it."""
        levels: int = 2 ** (self.bits - 1) - 1
        return self.largest / (levels // self.clients)

    def quantise(self, values: np.ndarray) -> np.ndarray:
        """Quantise values to the nearest integers; unlike Flower's stochastic rounding this is reproducible.

        Raises:
            UserError: a value's magnitude exceeds `largest`.
        """
        if (largest := float(np.abs(values).max())) > self.largest:
            raise UserError(
                f"a weighted value of {largest:g} is too large for secure aggregation: at most {self.largest:g}; "
                "give weights as shares, or raise aggregation.largest"
            )
        quantised: np.ndarray = np.rint(values / self.step).astype(np.int64).astype(self.dtype)
        return quantised

    def dequantise(self, numbers: np.ndarray) -> np.ndarray:
        """Convert integers, or sums of them, back to values; the inverse of `quantise` up to the quantisation error."""
        values: np.ndarray = numbers.view(f"<i{self.bits // 8}") * self.step
        return values

    def expand_mask(self, seed: bytes, size: int) -> np.ndarray:
        """Expand a 32-byte seed to `size` uniform integers by AES-256-CTR (Bonawitz et al. 2017)."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
        return np.frombuffer(stream.update(bytes(size * self.dtype.itemsize)), self.dtype)


def agree_seed(private: bytes, public: bytes) -> bytes:
    """Derive the 32-byte secret that two parties share, by Flower's key agreement (ECDH over P-384 and HKDF).

    Args:
        private: private key of one party.
        public: public key of the other party.
    """
    keys = import_flower("supercore.primitives.asymmetric")
    secret = import_flower("common.secure_aggregation.crypto.symmetric_encryption").generate_shared_key(
        keys.bytes_to_private_key(private), keys.bytes_to_public_key(public)
    )
    return base64.urlsafe_b64decode(secret)


def export_scalar(private: bytes) -> bytes:
    """Return the secret number of a private key, 48 bytes: it is shorter than the key's serialized form."""
    key = import_flower("supercore.primitives.asymmetric").bytes_to_private_key(private)
    return bytes(key.private_numbers().private_value.to_bytes(SCALAR_BYTES, "big"))


def restore_private_key(scalar: bytes) -> bytes:
    """Return the serialized private key of a secret number; the inverse of `export_scalar`.

    Raises:
        ValueError: the number is not one of a key.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP384R1())
    return bytes(import_flower("supercore.primitives.asymmetric").private_key_to_bytes(key))


def apply_sign(numbers: np.ndarray, first: int, second: int) -> np.ndarray:
    """Return a pairwise mask with the sign that client `first` uses; client `second` uses the opposite sign."""
    return numbers if first > second else -numbers
