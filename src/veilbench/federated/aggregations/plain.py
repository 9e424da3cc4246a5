"""Federated averaging without protection: the aggregator sees every update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client


class PlainClient(Client):
    """Sends its update unprotected.

    Args:
        dtype: NumPy type of the values in a client's message.
    """

    def __init__(self, dtype: type) -> None:
        self.dtype = dtype

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        return update.astype(self.dtype).tobytes()

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        return parse_values(payload, np.float64, size)


class PlainAggregator(Aggregator):
    """Sums updates sent in the clear.

    Args:
        dtype: NumPy type of the values in a client's message.
    """

    def __init__(self, dtype: type) -> None:
        self.dtype = dtype

    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        length = float(np.linalg.norm(parse_values(payload, self.dtype, size)))
        if largest_norm is not None and length > largest_norm:
            raise UserError(f"its update is {length:g} long, and at most {largest_norm:g} is allowed")

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        total = np.zeros(size)
        for payload, weight in zip(payloads, weights, strict=True):  # one at a time: many updates fill the memory
            total += weight * parse_values(payload, self.dtype, size)
        return total.tobytes()


class Plain(Aggregation):
    """Federated averaging (McMahan et al. 2017).

    Args:
        bits: bits per value that a client sends. With 64, the mean is exact to the precision of a float32 model.
    """

    error = 1e-7

    def __init__(self, bits: Literal[32, 64] = 32) -> None:
        self.bits = bits

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create the clients and the aggregator; there are no keys."""
        dtype = np.float32 if self.bits == 32 else np.float64
        return [PlainClient(dtype) for _ in range(clients)], PlainAggregator(dtype)


def parse_values(payload: bytes, dtype: type, size: int) -> np.ndarray:
    """Parse a payload of unprotected values to an array of shape (size,), float64.

    Args:
        payload: the values as bytes.
        dtype: NumPy type of the values in the payload.
        size: expected number of values.

    Raises:
        UserError: the number of values is not `size`, or one is not finite.
    """
    if len(payload) != size * np.dtype(dtype).itemsize:
        raise UserError(f"{len(payload)} bytes do not hold {size} numbers of type {np.dtype(dtype).name}")
    values = np.frombuffer(payload, dtype).astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"{int((~np.isfinite(values)).sum())} of an update's {size} values are not finite")
    return values
