"""Clients that misbehave on purpose, around any aggregation: to see what a federation makes of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Natural, NotNegative
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client, ExampleNoise, message, opened, stamp

Kind = Literal["dies", "late", "nan", "wrong shape", "huge", "poisoned", "claims more", "replays", "rubbish"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        client: whose.
        kind: `dies` answers nothing; `late` answers after `seconds`; `nan`, `wrong shape`, `huge` (a million times) and
            `poisoned` (ten times, the other way round) are what it sends; `claims more` gives itself the weight of all;
            `replays` sends its update of the round before again; `rubbish` sends bytes that are nothing.
        turn: which of the client's messages, the first being 0; all from there on.
        seconds: of `late`.
    """

    client: Natural
    kind: Kind
    turn: Natural = 0
    seconds: NotNegative = 1.0


class FaultyClient(Client):
    """Another client, with faults.

    Args:
        inner: what it would be.
        faults: its own.
    """

    def __init__(self, inner: Client, faults: Sequence[Fault]) -> None:
        self.inner, self.faults, self.turn, self.last = inner, list(faults), 0, b""

    def protect(self, update: np.ndarray, weight: float, number: int = 0) -> bytes:
        """See `Client.protect`; faults are applied from the outside in."""
        kinds = {fault.kind: fault for fault in self.faults if fault.turn <= self.turn}
        self.turn += 1
        if "dies" in kinds:
            raise UserError("it has gone without an answer")
        if "late" in kinds:
            time.sleep(kinds["late"].seconds)
        if "replays" in kinds and self.last:
            return self.last
        self.last = self._sent(update, weight, number, set(kinds))
        return self.last

    def _sent(self, update: np.ndarray, weight: float, number: int, kinds: set[Kind]) -> bytes:
        if "rubbish" in kinds:
            return b"\x00" * 100
        if "wrong shape" in kinds:
            return self.inner.protect(update[:-1], weight, number)
        if "nan" in kinds:  # an honest client would refuse; this one claims the update's size, and fills it with NaN
            made = self.inner.protect(update, weight, number)
            return made[: -len(opened(made)[2])] + b"\xff" * len(opened(made)[2])  # NaN in any width
        if "claims more" in kinds:
            made = self.inner.protect(update, weight, number)
            return message(1.0, len(update), opened(made)[2], *stamp(made))
        factor = 1e6 if "huge" in kinds else -10 if "poisoned" in kinds else 1
        return self.inner.protect(update * factor, weight, number)

    def open(self, combined: bytes) -> np.ndarray:
        """See `Client.open`."""
        return self.inner.open(combined)

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        raise AssertionError("protect does it all")

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        raise AssertionError("open does it all")


class Faulty(Aggregation):
    """Another aggregation, some of whose clients misbehave.

    Args:
        inner: the aggregation.
        faults: of its clients.
    """

    def __init__(self, inner: Aggregation, faults: Sequence[Fault]) -> None:
        self.inner, self.faults, self.error, self.delta = inner, list(faults), inner.error, inner.delta

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`."""
        own, aggregator = self.inner.setup(clients, seeds)
        faults = [[fault for fault in self.faults if fault.client == who] for who in range(clients)]
        return [FaultyClient(c, f) if f else c for c, f in zip(own, faults, strict=True)], aggregator

    def epsilon(self, rounds: int) -> float | None:
        """See `Aggregation.epsilon`."""
        return self.inner.epsilon(rounds)

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float | None:
        """See `Aggregation.example_epsilon`."""
        return self.inner.example_epsilon(rounds, local_epochs, batch_size, sizes)

    def example_noise(self) -> ExampleNoise | None:
        """See `Aggregation.example_noise`."""
        return self.inner.example_noise()

    def noise(self, weights: Sequence[float]) -> tuple[float, float] | None:
        """See `Aggregation.noise`."""
        return self.inner.noise(weights)
