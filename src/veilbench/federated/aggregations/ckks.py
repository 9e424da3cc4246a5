"""Encrypted sums by CKKS (Cheon et al. 2017), by TenSEAL: packed, and cheap."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client

DEGREE = 8192
SLOTS = DEGREE // 2
MODULI = [60, 60]  # bits: one for the sums, one that SEAL keeps for keys; nothing is ever multiplied
SCALE_BITS = 40
LENGTH = struct.Struct("<I")
LARGEST = 2.0 ** (MODULI[0] - SCALE_BITS - 2)  # of a sum: half of what the modulus holds

NOISE = 1e-8  # the largest that one encryption added to a value, of 150,000; it grows with the root of their number


def grid(clients: int) -> float:
    """The power of two that sent values are multiples of: so far apart that four times the noise is undone."""
    return float(2.0 ** np.ceil(np.log2(2 * 4 * NOISE * np.sqrt(clients))))


class Ciphertexts:
    """A vector as ciphertexts of one size, and a context to work on them with.

    Args:
        context: a TenSEAL context in bytes, with a secret key or without.
    """

    def __init__(self, context: bytes) -> None:
        self.stored = context

    @cached_property
    def context(self) -> Any:
        """The context as TenSEAL's object."""
        import tenseal

        return tenseal.context_from(self.stored)

    def vectors(self, payload: bytes, size: int) -> list[Any]:
        """A payload's ciphertexts.

        Raises:
            UserError: these are none, or not as many as the size needs.
        """
        import tenseal

        pieces = parted(payload)
        if len(pieces) != -(-size // SLOTS):
            raise UserError(f"{len(payload)} bytes are not the {-(-size // SLOTS)} ciphertexts of {size} values")
        try:
            return [tenseal.ckks_vector_from(self.context, piece) for piece in pieces]
        except (ValueError, RuntimeError) as error:
            raise UserError(f"a message holds no CKKS ciphertexts: {error}") from error


class CkksClient(Client):
    """Encrypts, and decrypts the sum.

    Args:
        ciphertexts: with the secret key.
        clients: how many there are: their sum must not run over.
    """

    def __init__(self, ciphertexts: Ciphertexts, clients: int) -> None:
        self.ciphertexts, self.clients = ciphertexts, clients

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        import tenseal

        scaled = np.rint(weight * update / grid(self.clients)) * grid(self.clients)
        if (largest := float(np.abs(scaled).max())) * self.clients > LARGEST:
            raise UserError(
                f"a weighted value of {largest:g} is too large for CKKS with {self.clients} clients: at most "
                f"{LARGEST / self.clients:g}; give weights as shares"
            )
        filled = np.zeros(-(-len(scaled) // SLOTS) * SLOTS)
        filled[: len(scaled)] = scaled
        pieces = (tenseal.ckks_vector(self.ciphertexts.context, piece) for piece in filled.reshape(-1, SLOTS))
        return joined(pieces)

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        pieces = [vector.decrypt() for vector in self.ciphertexts.vectors(payload, size)]
        made: np.ndarray = np.rint(np.concatenate(pieces)[:size] / grid(self.clients)) * grid(self.clients)
        return made


class CkksAggregator(Aggregator):
    """Adds ciphertexts; it has the public context, and no key.

    Args:
        ciphertexts: without the secret key.
    """

    def __init__(self, ciphertexts: Ciphertexts) -> None:
        self.ciphertexts = ciphertexts

    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        self.ciphertexts.vectors(payload, size)

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        sums, *others = (self.ciphertexts.vectors(payload, size) for payload in payloads)
        for other in others:
            sums = [a + b for a, b in zip(sums, other, strict=True)]
        return joined(sums)


class Ckks(Aggregation):
    """Sums of ciphertexts; ring degree 8192, moduli of 60 and 60 bits, scale 2**40: 128 bits of security as by SEAL.

    All clients share one secret key, so the aggregator together with any one client can read every update. Decrypted
    sums carry an error of about 1e-8 that depends on the key, and whoever is shown many such sums in full precision
    can learn about the key (Li and Micciancio 2021). Clients therefore send multiples of `grid`, and round what they
    decrypt to multiples of it, which takes that error off: the mean is that of the rounded updates to the last digit,
    and repeats though the keys do not. What is left is the rounding before, half of the grid's step for each client:
    4e-7 of the mean, at most, for three whose weights are shares.
    """

    error = 1e-6

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`: the secret key goes to the clients alone."""
        import tenseal

        context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=MODULI)
        context.global_scale = 2.0**SCALE_BITS
        needless = {"save_galois_keys": False, "save_relin_keys": False}
        secret = context.serialize(save_public_key=True, save_secret_key=True, **needless)
        public = context.serialize(save_public_key=True, save_secret_key=False, **needless)
        own: list[Client] = [CkksClient(Ciphertexts(secret), clients) for _ in range(clients)]
        return own, CkksAggregator(Ciphertexts(public))

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """See `Aggregation.noise`: no more than every client's half a step."""
        return 0.0, len(weights) * grid(len(weights)) / 2 / sum(weights)


def joined(vectors: Iterable[Any]) -> bytes:
    """Ciphertexts one after the other, the length before each."""
    pieces = (vector.serialize() for vector in vectors)
    return b"".join(LENGTH.pack(len(piece)) + piece for piece in pieces)


def parted(payload: bytes) -> list[bytes]:
    """The inverse of `joined`; what is cut off is left out."""
    pieces, at = [], 0
    while at + LENGTH.size <= len(payload):
        (length,) = LENGTH.unpack_from(payload, at)
        pieces.append(payload[at + LENGTH.size : at + LENGTH.size + length])
        at += LENGTH.size + length
    return pieces if at == len(payload) else []
