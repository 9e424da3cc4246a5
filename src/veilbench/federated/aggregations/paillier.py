"""Homomorphically encrypted sums by Paillier (1999) with phe: the source system's scheme, with a secure key length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client

FRACTION_BITS = 40  # fractional bits of fixed-point numbers
SLOT_BITS = 64  # bits per number if a plaintext holds several: sums stay below 2**23 in magnitude
LARGEST = 2.0 ** (SLOT_BITS - FRACTION_BITS - 2)


class PaillierKeys:
    """A party's part of the key, and the serialization of ciphertexts.

    Args:
        modulus: the public modulus n.
        primes: the secret primes p and q, held by clients; None for the aggregator.
        slots: number of values packed into a plaintext.
        encoding: `fixed` for fixed-point numbers, `float` for phe's floats, each of which has a public exponent.
    """

    def __init__(
        self, modulus: int, primes: tuple[int, int] | None, slots: int, encoding: Literal["fixed", "float"]
    ) -> None:
        self.modulus, self.primes, self.slots, self.encoding = modulus, primes, slots, encoding
        self.width = 2 * ((modulus.bit_length() + 7) // 8)  # bytes of a ciphertext

    @property
    def public(self) -> Any:
        """The public key as an object of phe."""
        return import_phe().PaillierPublicKey(self.modulus)

    @property
    def private(self) -> Any:
        """The private key as an object of phe.

        Raises:
            UserError: this party holds no private key.
        """
        if self.primes is None:
            raise UserError("this party holds no private key")
        return import_phe().PaillierPrivateKey(self.public, *self.primes)

    def count_ciphertexts(self, size: int) -> int:
        """Return the number of ciphertexts for `size` numbers."""
        return -(-size // self.slots)

    def parse(self, payload: bytes, size: int) -> tuple[list[int], np.ndarray]:
        """Parse a payload into its ciphertexts and their public exponents, shape (count,), int32.

        Raises:
            UserError: the payload has a wrong length, or a number is not a ciphertext under this key.
        """
        count = self.count_ciphertexts(size)
        if len(payload) != count * (self.width + 4):
            raise UserError(f"{len(payload)} bytes are not {count} Paillier ciphertexts of {self.width} bytes")
        split = count * self.width
        sealed = [int.from_bytes(payload[i : i + self.width], "big") for i in range(0, split, self.width)]
        if any(not 0 < number < self.modulus**2 for number in sealed):
            raise UserError("a message holds numbers that are no Paillier ciphertexts under this key")
        return sealed, np.frombuffer(payload[split:], np.int32)

    def serialize(self, sealed: Sequence[int], exponents: Sequence[int] | np.ndarray) -> bytes:
        """Serialize ciphertexts and exponents; `parse` is the inverse."""
        return b"".join(c.to_bytes(self.width, "big") for c in sealed) + np.asarray(exponents, np.int32).tobytes()


class PaillierClient(Client):
    """Encrypts with the public key and decrypts the sum with the private key.

    Args:
        keys: the keys, including the private one.
        clients: number of clients; it limits the values, so that the sum cannot overflow.
    """

    def __init__(self, keys: PaillierKeys, clients: int) -> None:
        self.keys, self.clients = keys, clients

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        scaled, public = weight * update, self.keys.public
        if (largest := float(np.abs(scaled).max())) * self.clients > LARGEST:
            allowed = LARGEST / self.clients
            raise UserError(
                f"a weighted value of {largest:g} is too large: at most {allowed:g}; give weights as shares"
            )
        if self.keys.encoding == "float":
            numbers = [public.encrypt(float(value)) for value in scaled]
            return self.keys.serialize([n.ciphertext() for n in numbers], [n.exponent for n in numbers])
        whole = pack(np.rint(scaled * 2.0**FRACTION_BITS).astype(np.int64), self.keys.slots)
        sealed = [public.raw_encrypt(value % self.keys.modulus) for value in whole]
        return self.keys.serialize(sealed, [-FRACTION_BITS] * len(sealed))

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        sealed, exponents = self.keys.parse(payload, size)
        private = self.keys.private
        if self.keys.encoding == "float":
            pairs = zip(sealed, exponents.tolist(), strict=True)
            return np.array(
                [private.decrypt(import_phe().EncryptedNumber(self.keys.public, c, e)) for c, e in pairs], float
            )
        n = self.keys.modulus
        plain = [value - n if value > n // 2 else value for value in map(private.raw_decrypt, sealed)]
        return unpack(plain, self.keys.slots)[:size] / 2.0**FRACTION_BITS


class PaillierAggregator(Aggregator):
    """Adds the encrypted numbers by multiplying ciphertexts; it holds the public key only.

    Args:
        keys: the keys, without the private one.
    """

    def __init__(self, keys: PaillierKeys) -> None:
        self.keys = keys

    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        self.keys.parse(payload, size)

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        read = [self.keys.parse(payload, size) for payload in payloads]
        if self.keys.encoding == "fixed":
            square = self.keys.modulus**2
            product = list(read[0][0])
            for sealed, _ in read[1:]:
                product = [a * b % square for a, b in zip(product, sealed, strict=True)]
            return self.keys.serialize(product, read[0][1])
        public, sums = self.keys.public, []
        for place in range(size):
            terms = (import_phe().EncryptedNumber(public, sealed[place], int(e[place])) for sealed, e in read)
            sums.append(sum(terms, next(terms)))
        return self.keys.serialize([number.ciphertext() for number in sums], [number.exponent for number in sums])


class Paillier(Aggregation):
    """Paillier encryption with one private key that all clients share and the aggregator does not have.

    Args:
        key_bits: length of the modulus in bits. The source system's 128 bits can be factored in 0.05 seconds.
        encoding: `fixed`: fixed-point numbers with one common exponent, which reveals nothing. `float`: phe's encoding
            of floats, as in the source system; its exponents are sent in the clear and distinguish zero from all other
            values, which reveals the words that a client has used. For demonstration only.
        slots: fixed-point numbers packed into one ciphertext; the source system has one. At most 31 for 2,048 bits.
    """

    error = 1e-9

    def __init__(
        self,
        key_bits: Annotated[int, Ge(2048), Le(8192)] = 2048,
        encoding: Literal["fixed", "float"] = "fixed",
        slots: Count = 1,
    ) -> None:
        if key_bits < 2048:
            raise ValueError(f"key_bits={key_bits} must be at least 2048: shorter moduli can be factored, or soon will")
        if slots > (most := (key_bits - 2) // SLOT_BITS) or (encoding == "float" and slots > 1):
            raise ValueError(f"slots={slots} must be at most {most if encoding == 'fixed' else 1} with {encoding=!s}")
        self.key_bits, self.encoding, self.slots = key_bits, encoding, slots

    def largest_value(self, clients: int) -> float:
        """Return the maximum magnitude of a value times its client's weight that a message can hold."""
        return LARGEST / clients

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Generate a key pair; only the clients receive the primes."""
        public, private = import_phe().generate_paillier_keypair(n_length=self.key_bits)
        both = PaillierKeys(int(public.n), (int(private.p), int(private.q)), self.slots, self.encoding)
        modulus = PaillierKeys(int(public.n), None, self.slots, self.encoding)
        return [PaillierClient(both, clients) for _ in range(clients)], PaillierAggregator(modulus)


def pack(values: np.ndarray, slots: int) -> list[int]:
    """Pack integers below 2**62 in magnitude into larger ones, `slots` in each, the first in the lowest bits."""
    numbers = [int(value) for value in values]
    groups = (numbers[i : i + slots] for i in range(0, len(numbers), slots))
    return [sum(value << (SLOT_BITS * place) for place, value in enumerate(group)) for group in groups]


def unpack(numbers: Sequence[int], slots: int) -> np.ndarray:
    """Unpack integers made by `pack`, or their sums, to signed values, shape (len(numbers) * slots,), float64."""
    digits = []
    for number in numbers:
        for _ in range(slots):
            low = number & ((1 << SLOT_BITS) - 1)
            low -= (low >> (SLOT_BITS - 1)) << SLOT_BITS
            digits.append(float(low))
            number = (number - low) >> SLOT_BITS
    return np.array(digits)


def import_phe() -> Any:
    """Import phe, an optional dependency.

    Raises:
        UserError: phe is not installed.
    """
    try:
        from phe import paillier
    except ImportError as error:
        raise UserError("aggregation=paillier needs the package phe: pip install phe gmpy2") from error
    return paillier
