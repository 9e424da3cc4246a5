"""Homomorphically encrypted sums by CKKS (Cheon et al. 2017) with TenSEAL; thousands of values per ciphertext."""

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
MODULI = [60, 60]  # bits: one modulus for the sums, one that SEAL reserves for keys; ciphertexts are never multiplied
SCALE_BITS = 40
LENGTH = struct.Struct("<I")
LARGEST = 2.0 ** (MODULI[0] - SCALE_BITS - 2)  # largest magnitude of a sum: half of the modulus's range

NOISE = 1e-8  # largest error among 150,000 encrypted values; a sum's error grows with the square root of its terms


def compute_grid_step(clients: int) -> float:
    """Compute the quantisation step: a power of two for which rounding removes four times the expected noise.

    Args:
        clients: number of terms in a sum.
    """
    return float(2.0 ** np.ceil(np.log2(2 * 4 * NOISE * np.sqrt(clients))))


class Ciphertexts:
    """A CKKS context that deserializes vectors of ciphertexts.

    Args:
        context: serialized TenSEAL context, with or without the secret key.
    """

    def __init__(self, context: bytes) -> None:
        self.stored = context

    @cached_property
    def context(self) -> Any:
        """The TenSEAL context object, deserialized on first use."""
        import tenseal

        return tenseal.context_from(self.stored)

    def deserialize(self, payload: bytes, size: int) -> list[Any]:
        """Deserialize the ciphertexts of a payload.

        Raises:
            UserError: the payload is not a list of ciphertexts, or their number does not match `size`.
        """
        import tenseal

        pieces = split_ciphertexts(payload)
        if len(pieces) != -(-size // SLOTS):
            raise UserError(f"{len(payload)} bytes are not the {-(-size // SLOTS)} ciphertexts of {size} values")
        try:
            return [tenseal.ckks_vector_from(self.context, piece) for piece in pieces]
        except (ValueError, RuntimeError) as error:
            raise UserError(f"a message holds no CKKS ciphertexts: {error}") from error


class CkksClient(Client):
    """Encrypts its update and decrypts the sum.

    Args:
        ciphertexts: context with the secret key.
        clients: number of clients; it limits the values, so that the sum cannot overflow.
    """

    def __init__(self, ciphertexts: Ciphertexts, clients: int) -> None:
        self.ciphertexts, self.clients = ciphertexts, clients

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        import tenseal

        scaled = np.rint(weight * update / compute_grid_step(self.clients)) * compute_grid_step(self.clients)
        if (largest := float(np.abs(scaled).max())) * self.clients > LARGEST:
            raise UserError(
                f"a weighted value of {largest:g} is too large for CKKS with {self.clients} clients: at most "
                f"{LARGEST / self.clients:g}; give weights as shares"
            )
        padded = np.zeros(-(-len(scaled) // SLOTS) * SLOTS)
        padded[: len(scaled)] = scaled
        pieces = (tenseal.ckks_vector(self.ciphertexts.context, piece) for piece in padded.reshape(-1, SLOTS))
        return join_ciphertexts(pieces)

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        pieces = [vector.decrypt() for vector in self.ciphertexts.deserialize(payload, size)]
        rounded: np.ndarray = np.rint(
            np.concatenate(pieces)[:size] / compute_grid_step(self.clients)
        ) * compute_grid_step(self.clients)
        return rounded


class CkksAggregator(Aggregator):
    """Adds ciphertexts; it holds the public context only.

    Args:
        ciphertexts: context without the secret key.
    """

    def __init__(self, ciphertexts: Ciphertexts) -> None:
        self.ciphertexts = ciphertexts

    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        self.ciphertexts.deserialize(payload, size)

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        sums, *others = (self.ciphertexts.deserialize(payload, size) for payload in payloads)
        for other in others:
            sums = [a + b for a, b in zip(sums, other, strict=True)]
        return join_ciphertexts(sums)


class Ckks(Aggregation):
    """CKKS with ring degree 8192, moduli of 60 and 60 bits and scale 2**40: 128 bits of security according to SEAL.

    All clients share one secret key, so an aggregator that colludes with one client can read every update.

    Decrypted sums have an error of about 1e-8 that depends on the key, and many such sums in full precision would
    reveal information about the key (Li and Micciancio 2021). So clients quantise their values to multiples of
    `compute_grid_step`, and round the decrypted sums to multiples of it. This removes the error: the result is exactly
    the mean of the quantised updates, and is reproducible although the keys are random. The quantisation error is half
    a grid step per client: at most 4e-7 in the mean of three clients whose weights are shares.
    """

    error = 1e-6

    def largest_value(self, clients: int) -> float:
        """Return the maximum magnitude of a value times its client's weight that a message can hold."""
        return LARGEST / clients

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Generate a key pair; only the clients receive the secret key."""
        import tenseal

        context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=MODULI)
        context.global_scale = 2.0**SCALE_BITS
        unused = {"save_galois_keys": False, "save_relin_keys": False}
        secret = context.serialize(save_public_key=True, save_secret_key=True, **unused)
        public = context.serialize(save_public_key=True, save_secret_key=False, **unused)
        parties: list[Client] = [CkksClient(Ciphertexts(secret), clients) for _ in range(clients)]
        return parties, CkksAggregator(Ciphertexts(public))

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return 0 for a message, and an upper bound of the mean's error: half a grid step per client."""
        return 0.0, len(weights) * compute_grid_step(len(weights)) / 2 / sum(weights)


def join_ciphertexts(vectors: Iterable[Any]) -> bytes:
    """Serialize ciphertexts, each preceded by its length in bytes."""
    pieces = (vector.serialize() for vector in vectors)
    return b"".join(LENGTH.pack(len(piece)) + piece for piece in pieces)


def split_ciphertexts(payload: bytes) -> list[bytes]:
    """Split a payload made by `join_ciphertexts`; empty if it is truncated."""
    pieces, at = [], 0
    while at + LENGTH.size <= len(payload):
        (length,) = LENGTH.unpack_from(payload, at)
        pieces.append(payload[at + LENGTH.size : at + LENGTH.size + length])
        at += LENGTH.size + length
    return pieces if at == len(payload) else []
