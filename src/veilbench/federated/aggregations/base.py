"""The one interface of all aggregations, and the form of the messages.

A round: the aggregator begins it; each client protects its update and sends it with its weight; the aggregator
combines the messages and sends one back; each client opens that into the weighted mean. What a party is not given, it
does not hold: clients and aggregator are objects of their own, made by `setup`, and only messages of bytes pass between
them.

Weights (numbers of mails, or shares of their sum) are public in all of them. Shares keep encrypted numbers small.
Every message names its round and has a nonce of its own, so that one that is sent twice can be told from two that
happen to be equal.
"""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.bench.errors import UserError

HEAD = struct.Struct("<4sdqq16s")  # a mark, the weight, the number of values, the round, a nonce
MARK = b"vbu2"
NO_NONCE = bytes(16)


@dataclass(frozen=True)
class ExampleNoise:
    """Clipping and noise within a client's local steps.

    Attributes:
        clip: the largest Euclidean norm of one example's gradient.
        noise_multiplier: the standard deviation, in units of `clip`, of the noise on the sum of a step's gradients.
    """

    clip: float
    noise_multiplier: float


class Client(ABC):
    """One client's side: its keys, its randomness."""

    def protect(self, update: np.ndarray, weight: float, number: int = 0) -> bytes:
        """The message for the aggregator.

        Args:
            update: shape (size,): what it has learned.
            weight: of its update in the mean; public.
            number: of the round, the first being 0; public.

        Raises:
            UserError: the update is not finite, or cannot be expressed.
        """
        values = np.asarray(update, np.float64)
        if values.ndim != 1 or not values.size:
            raise UserError(f"an update of shape {values.shape} cannot be sent: a vector is needed")
        if not np.isfinite(values).all():
            raise UserError(f"{int((~np.isfinite(values)).sum())} of the update's {len(values)} values are not finite")
        if not (np.isfinite(weight) and weight > 0):
            raise UserError(f"weight={weight} of an update must be a positive number")
        return message(float(weight), len(values), self._protect(values, float(weight)), number, os.urandom(16))

    def open(self, combined: bytes) -> np.ndarray:
        """The weighted mean of all updates, shape (size,), float64, from what the aggregator sent back."""
        weight, size, payload = opened(combined)
        return self._open(payload, size) / weight

    @abstractmethod
    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        """The payload for `weight * update`."""

    @abstractmethod
    def _open(self, payload: bytes, size: int) -> np.ndarray:
        """The sum of the weighted updates, from the combined payload."""


class Aggregator(ABC):
    """The aggregator's side: it adds what it is sent."""

    def begin(self, members: Sequence[int]) -> None:  # noqa: B027 - most need nothing of the kind
        """Open a round for these clients: whatever must pass between the parties before an update can be protected.

        Raises:
            UserError: too few have answered.
        """

    def costs(self) -> dict[str, float]:
        """What was spent beside the messages: seconds of all parties and rounds, bytes of one client in one round."""
        return {}

    def combine(self, messages: Sequence[bytes], senders: Sequence[int] | None = None) -> bytes:
        """One message for all clients.

        Args:
            messages: the clients'.
            senders: whose they are, as the transport says; None: of the first clients, in order.

        Raises:
            UserError: no message, one that is damaged, or different sizes.
        """
        if not messages:
            raise UserError("no client has sent an update: there is nothing to combine")
        weights, sizes, payloads = zip(*map(opened, messages), strict=True)
        if len(set(sizes)) > 1:
            raise UserError(f"clients have sent updates of different sizes: {', '.join(map(str, sorted(set(sizes))))}")
        return message(sum(weights), sizes[0], self._combine(payloads, weights, sizes[0]))

    def check(self, received: bytes, size: int, weight: float, largest_norm: float | None = None) -> None:
        """Refuse a message that would spoil the sum, as far as that can be seen.

        Args:
            received: the message.
            size: that updates have.
            weight: that the sender has.
            largest_norm: of an update; None allows any. What is encrypted cannot be measured.

        Raises:
            UserError: it is damaged, of another size or weight, not finite, or too long.
        """
        claimed, values, payload = opened(received)
        if values != size:
            raise UserError(f"its update has {values} values in place of {size}")
        if not np.isclose(claimed, weight):
            raise UserError(f"it claims the weight {claimed:g} in place of {weight:g}")
        self._check(payload, size, largest_norm)

    @abstractmethod
    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        """The payload alone; see `check`."""

    @abstractmethod
    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        """The payload of the sum."""


class Aggregation(ABC):
    """A way to average.

    Attributes:
        error: the largest error of the mean that it is tested for, in units of the largest value; None where noise is
            added on purpose.
    """

    error: float | None
    delta: float = 0.0  # of the epsilons, where there are any

    @abstractmethod
    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Draw the keys, and give each party its own.

        Args:
            clients: how many.
            seeds: for noise. Keys and encryption take the operating system's randomness, whatever the seed.
        """

    def epsilon(self, rounds: int) -> float | None:
        """The differential privacy of a client over that many rounds; None without any."""
        return None

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float | None:
        """The differential privacy of one example being in the training or not, against who sees the means alone.

        Args:
            rounds: of the federation.
            local_epochs: of a client in a round.
            batch_size: of a client's steps.
            sizes: per client, its examples.

        Returns:
            Epsilon; None without any.
        """
        return None

    def example_noise(self) -> ExampleNoise | None:
        """What a client adds within its local training; None: it trains as it likes."""
        return None

    def noise(self, weights: Sequence[float]) -> tuple[float, float] | None:
        """The standard deviation per value of what is added to one client's message, and of what is in the mean.

        None where it is within the updates themselves.

        Args:
            weights: of the clients of a round.
        """
        return 0.0, 0.0


def message(weight: float, size: int, payload: bytes, number: int = 0, nonce: bytes = NO_NONCE) -> bytes:
    """Bytes that `opened` and `stamp` read."""
    return HEAD.pack(MARK, weight, size, number, nonce) + payload


def opened(received: bytes) -> tuple[float, int, bytes]:
    """Weight, number of values and payload of a message.

    Raises:
        UserError: it is none.
    """
    _, weight, size, _, _ = _head(received)
    if not (np.isfinite(weight) and weight > 0 and size > 0):
        raise UserError(f"a message claims the weight {weight} and {size} values")
    return weight, size, received[HEAD.size :]


def stamp(received: bytes) -> tuple[int, bytes]:
    """The round that a message names, the first being 0, and its nonce.

    Raises:
        UserError: it is no message.
    """
    *_, number, nonce = _head(received)
    return number, nonce


def _head(received: bytes) -> tuple[bytes, float, int, int, bytes]:
    if len(received) < HEAD.size or received[:4] != MARK:
        raise UserError(f"a message of {len(received)} bytes is not an update")
    mark, weight, size, number, nonce = HEAD.unpack_from(received)
    return mark, weight, size, number, nonce
