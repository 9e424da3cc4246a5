"""Fault injection: wraps an aggregation with misbehaving clients, to test how a federation handles them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Natural, NotNegative
from veilbench.federated.aggregations.base import (
    Aggregation,
    Aggregator,
    Client,
    ExampleNoise,
    parse_message,
    parse_stamp,
    serialize_message,
)
from veilbench.federated.aggregations.releases import Releases

Kind = Literal["dies", "late", "nan", "wrong shape", "huge", "poisoned", "claims more", "replays", "rubbish"]


@dataclass(frozen=True)
class Fault:
    """A fault of one client.

    Attributes:
        client: number of the faulty client.
        kind: `dies` never answers; `late` answers after `seconds`; `nan` sends NaNs; `wrong shape` drops the last
            value; `huge` scales the update by 1e6; `poisoned` scales it by -10; `claims more` claims a weight of 1, the
            sum of all shares; `replays` sends the previous message again; `rubbish` sends bytes that are no message.
        turn: index of the client's first faulty message, from 0; all later ones are faulty too.
        seconds: delay of `late`, in seconds.
    """

    client: Natural
    kind: Kind
    turn: Natural = 0
    seconds: NotNegative = 1.0


class FaultyClient(Client):
    """Wraps a client and injects faults.

    Args:
        inner: the client without faults.
        faults: faults of this client.
    """

    def __init__(self, inner: Client, faults: Sequence[Fault]) -> None:
        self.inner, self.faults, self.turn, self.last = inner, list(faults), 0, b""

    def protect(self, update: np.ndarray, weight: float, number: int = 0) -> bytes:
        """Return the inner client's message with the faults applied.

        Raises:
            UserError: the client has died, or the inner client rejects the update.
        """
        kinds = {fault.kind: fault for fault in self.faults if fault.turn <= self.turn}
        self.turn += 1
        if "dies" in kinds:
            raise UserError("it has gone without an answer")
        if "late" in kinds:
            time.sleep(kinds["late"].seconds)
        if "replays" in kinds and self.last:
            return self.last
        self.last = self._build_faulty_message(update, weight, number, set(kinds))
        return self.last

    def _build_faulty_message(self, update: np.ndarray, weight: float, number: int, kinds: set[Kind]) -> bytes:
        if "rubbish" in kinds:
            return b"\x00" * 100
        if "wrong shape" in kinds:
            return self.inner.protect(update[:-1], weight, number)
        if "nan" in kinds:  # an honest client refuses NaNs, so the payload of a valid message is overwritten
            message = self.inner.protect(update, weight, number)
            size = len(parse_message(message)[2])
            return message[:-size] + b"\xff" * size  # NaN in any float format
        if "claims more" in kinds:
            message = self.inner.protect(update, weight, number)
            return serialize_message(1.0, len(update), parse_message(message)[2], *parse_stamp(message))
        factor = 1e6 if "huge" in kinds else -10 if "poisoned" in kinds else 1
        return self.inner.protect(update * factor, weight, number)

    def open(self, combined: bytes) -> np.ndarray:
        """Decode the aggregator's message as the inner client does."""
        return self.inner.open(combined)

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        raise AssertionError("`protect` is overridden")

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        raise AssertionError("`open` is overridden")


class Faulty(Aggregation):
    """Wraps an aggregation, some of whose clients misbehave.

    Args:
        inner: the aggregation to wrap; its privacy guarantees are reported unchanged.
        faults: faults of the clients; a client may have several.
    """

    def __init__(self, inner: Aggregation, faults: Sequence[Fault]) -> None:
        self.inner, self.faults, self.error = inner, list(faults), inner.error
        self.delta, self.clip = inner.delta, inner.clip

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create the inner aggregation's parties and wrap the faulty clients."""
        parties, aggregator = self.inner.setup(clients, seeds)
        faults = [[fault for fault in self.faults if fault.client == number] for number in range(clients)]
        return [FaultyClient(c, f) if f else c for c, f in zip(parties, faults, strict=True)], aggregator

    def client_releases(self, rounds: int) -> Releases | None:
        """Return the inner aggregation's releases of clients."""
        return self.inner.client_releases(rounds)

    def example_releases(
        self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]
    ) -> Releases | None:
        """Return the inner aggregation's releases of examples."""
        return self.inner.example_releases(rounds, local_epochs, batch_size, sizes)

    def example_noise(self) -> ExampleNoise | None:
        """Return the inner aggregation's noise in the local steps."""
        return self.inner.example_noise()

    def describe_trust(self, clients: int) -> str | None:
        """Return what the inner aggregation's clients must trust."""
        return self.inner.describe_trust(clients)

    def noise(self, weights: Sequence[float]) -> tuple[float, float] | None:
        """Return the inner aggregation's noise in a message and in the mean."""
        return self.inner.noise(weights)
