"""Common interface of all aggregations, and the message format.

A round has four steps: the aggregator starts the round; each client protects its update and sends it with its weight;
the aggregator combines the messages and sends one message back; each client decodes this into the weighted mean. The
clients and the aggregator are separate objects, created by `setup`. They share no secrets and exchange only serialized
messages.

Weights (numbers of examples, or shares of their sum) are always public. Shares keep encrypted numbers small. Every
message carries its round number and a nonce, which distinguishes a replay from two identical updates.
"""

from __future__ import annotations

import math
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.releases import Releases

HEAD = struct.Struct("<4sdqq16s")  # magic bytes, weight, number of values, round, nonce
MARK = b"vbu2"
NO_NONCE = bytes(16)


@dataclass(frozen=True)
class ExampleNoise:
    """Clipping and noise of DP-SGD in a client's local steps.

    Attributes:
        clip: maximum Euclidean norm of a per-example gradient.
        noise_multiplier: standard deviation of the noise on the sum of a step's gradients, in units of `clip`.
    """

    clip: float
    noise_multiplier: float


class Client(ABC):
    """A client's side of an aggregation, with the client's keys and randomness."""

    def protect(self, update: np.ndarray, weight: float, number: int = 0) -> bytes:
        """Return the message for the aggregator.

        Args:
            update: weights after local training minus weights before, shape (size,).
            weight: weight of this update in the mean, positive; public.
            number: number of the round, from 0; public.

        Raises:
            UserError: the update or the weight is invalid, or too large for the encoding.
        """
        values = np.asarray(update, np.float64)
        if values.ndim != 1 or not values.size:
            raise UserError(f"an update of shape {values.shape} cannot be sent: a vector is needed")
        if not np.isfinite(values).all():
            raise UserError(f"{int((~np.isfinite(values)).sum())} of the update's {len(values)} values are not finite")
        if not (np.isfinite(weight) and weight > 0):
            raise UserError(f"weight={weight} of an update must be a positive number")
        return serialize_message(
            float(weight), len(values), self._protect(values, float(weight)), number, os.urandom(16)
        )

    def open(self, combined: bytes) -> np.ndarray:
        """Decode the aggregator's message into the weighted mean of all updates, shape (size,), float64."""
        weight, size, payload = parse_message(combined)
        return self._open(payload, size) / weight

    @abstractmethod
    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        """Return the payload that encodes `weight * update`."""

    @abstractmethod
    def _open(self, payload: bytes, size: int) -> np.ndarray:
        """Decode the combined payload into the sum of the weighted updates, shape (size,)."""


class Aggregator(ABC):
    """The aggregator's side of an aggregation, which combines the clients' messages."""

    def begin(self, members: Sequence[int]) -> None:  # noqa: B027 - most aggregations need no preparation
        """Start a round, and exchange keys or other data that clients need to protect their updates.

        Args:
            members: numbers of the clients that take part.

        Raises:
            UserError: too few clients answered.
        """

    def costs(self) -> dict[str, float]:
        """Return the costs of messages other than updates: seconds of all parties, and bytes per client and round."""
        return {}

    def combine(self, messages: Sequence[bytes], senders: Sequence[int] | None = None) -> bytes:
        """Combine the clients' messages into one that is sent back to all of them.

        Args:
            messages: one message per client, with updates of equal size.
            senders: number of the client that sent each message, according to the transport; None means 0, 1, 2, ...

        Raises:
            UserError: there is no message, one is damaged, or the updates have different sizes.
        """
        if not messages:
            raise UserError("no client has sent an update: there is nothing to combine")
        weights, sizes, payloads = zip(*map(parse_message, messages), strict=True)
        if len(set(sizes)) > 1:
            raise UserError(f"clients have sent updates of different sizes: {', '.join(map(str, sorted(set(sizes))))}")
        return serialize_message(sum(weights), sizes[0], self._combine(payloads, weights, sizes[0]))

    def check(self, received: bytes, size: int, weight: float, largest_norm: float | None = None) -> None:
        """Check a message for errors that would corrupt the sum, as far as the aggregator can read it.

        Args:
            received: the message as sent by the client.
            size: expected number of values.
            weight: expected weight of the sender.
            largest_norm: maximum Euclidean norm of an update; None allows any. Not checked on encrypted updates.

        Raises:
            UserError: the message is damaged, its size or weight differs, or its values are not finite or too large.
        """
        claimed, values, payload = parse_message(received)
        if values != size:
            raise UserError(f"its update has {values} values instead of {size}")
        if not np.isclose(claimed, weight):
            raise UserError(f"it claims the weight {claimed:g} instead of {weight:g}")
        self._check(payload, size, largest_norm)

    @abstractmethod
    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        """Check the payload of a message whose size and weight are correct."""

    @abstractmethod
    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        """Return the payload that encodes the sum of the weighted updates."""


class Aggregation(ABC):
    """A protocol by which clients average their updates.

    Attributes:
        error: maximum error of the mean, as measured in tests, relative to the largest value; None if the result is
            not the mean by design.
        delta: delta of (epsilon, delta)-differential privacy; 0 if the aggregation has none.
        clip: maximum Euclidean norm of what the noise hides, an update or a gradient; infinite without clipping.
    """

    error: float | None
    delta: float = 0.0
    clip: float = math.inf

    @abstractmethod
    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Generate the keys and create the parties.

        Args:
            clients: number of clients of the federation.
            seeds: seeds of the noise. Keys and encryption always use the operating system's randomness.
        """

    def largest_value(self, clients: int) -> float:
        """Return the maximum magnitude of a value times its client's weight that a message can hold.

        Args:
            clients: number of clients of the federation.
        """
        return math.inf

    def client_releases(self, rounds: int) -> Releases | None:
        """Return the noisy releases that client-level privacy is spent on; None without client-level privacy."""
        return None

    def example_releases(
        self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]
    ) -> Releases | None:
        """Return the noisy releases that example-level privacy is spent on; the arguments of `example_epsilon`."""
        return None

    def epsilon(self, rounds: int) -> float | None:
        """Return the client-level epsilon after a number of rounds; None without differential privacy."""
        releases = self.client_releases(rounds)
        return None if releases is None else releases.epsilon(self.delta)

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float | None:
        """Return the example-level epsilon, against an attacker who sees only the means.

        Args:
            rounds: number of rounds of the federation.
            local_epochs: epochs that each client trains per round.
            batch_size: examples per optimizer step of a client.
            sizes: number of examples that each client declares.

        Returns:
            Epsilon, at the aggregation's `delta`; None without differential privacy.
        """
        releases = self.example_releases(rounds, local_epochs, batch_size, sizes)
        return None if releases is None else releases.epsilon(self.delta)

    def example_noise(self) -> ExampleNoise | None:
        """Return the clipping and noise of the local steps; None for ordinary local training."""
        return None

    def describe_trust(self, clients: int) -> str | None:
        """Return one or more sentences on what the clients must trust for their updates to stay hidden.

        Args:
            clients: number of clients in a round.

        Returns:
            The sentences; None if the aggregation's documentation says all.
        """
        return None

    def noise(self, weights: Sequence[float]) -> tuple[float, float] | None:
        """Return the standard deviation of the noise per value, in one client's message and in the mean.

        Args:
            weights: weights of the clients of a round.

        Returns:
            Both standard deviations; None if the noise is already part of the updates, or is unknown.
        """
        return 0.0, 0.0


def serialize_message(weight: float, size: int, payload: bytes, number: int = 0, nonce: bytes = NO_NONCE) -> bytes:
    """Serialize a message; `parse_message` and `parse_stamp` are the inverse.

    Args:
        weight: weight of the update in the mean, or sum of the weights.
        size: number of values in the update.
        payload: encoded update, in the aggregation's own format.
        number: number of the round, from 0.
        nonce: 16 random bytes that identify the message.
    """
    return HEAD.pack(MARK, weight, size, number, nonce) + payload


def parse_message(received: bytes) -> tuple[float, int, bytes]:
    """Parse a message into its weight, number of values and payload.

    Raises:
        UserError: the bytes are not a valid message.
    """
    _, weight, size, _, _ = _parse_head(received)
    if not (np.isfinite(weight) and weight > 0 and size > 0):
        raise UserError(f"a message claims the weight {weight} and {size} values")
    return weight, size, received[HEAD.size :]


def parse_stamp(received: bytes) -> tuple[int, bytes]:
    """Parse the round number (from 0) and the nonce of a message.

    Raises:
        UserError: the bytes are not a valid message.
    """
    *_, number, nonce = _parse_head(received)
    return number, nonce


def _parse_head(received: bytes) -> tuple[bytes, float, int, int, bytes]:
    if len(received) < HEAD.size or received[:4] != MARK:
        raise UserError(f"a message of {len(received)} bytes is not an update")
    mark, weight, size, number, nonce = HEAD.unpack_from(received)
    return mark, weight, size, number, nonce
