"""What the parties of a federation observe of a round: the aggregator sees messages, and all clients see the mean.

Both are honest-but-curious: they follow the protocol and use everything that they receive.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from veilbench.families.mail.attacks.word_leak.update import phe_exponents, zero_exponent
from veilbench.federated.aggregations.base import Aggregation, Aggregator, parse_message
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import PlainAggregator, numbers
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator

UNIFORM = 1e-6  # significance level below which values are taken to be unmasked
ROUNDING = 1e-10  # rounding error of a decrypted mean; smaller values count as zero


@dataclass(frozen=True)
class Round:
    """A simulated round whose updates are known, for generating messages and evaluating the attack.

    Attributes:
        updates: update of each client, shape (clients, size).
        weights: weight of each client, its share of the mails, shape (clients,).
        words: number of rows of the embedding.
        dimension: length of a row.
        noise_std: standard deviation of the noise in every value of each client's update, shape (clients,).
    """

    updates: np.ndarray
    weights: np.ndarray
    words: int
    dimension: int
    noise_std: np.ndarray

    def embedding(self, client: int) -> np.ndarray:
        """Return the embedding's part of a client's update, shape (words, dimension)."""
        rows: np.ndarray = self.updates[client, : self.words * self.dimension].reshape(self.words, self.dimension)
        return rows


@dataclass(frozen=True)
class Observation:
    """What the parties can read of a round.

    Attributes:
        messages: for each client the values that the aggregator can read from its message, shape (size,); None if it
            can read nothing.
        noise_std: standard deviation of the noise in each message, shape (clients,).
        mean: mean that every client receives, shape (size,).
        mean_noise_std: standard deviation of the noise in the mean.
        signed: whether the values of messages have the sign of the update's.
        cost: seconds for protecting, and for adding and opening; bytes of a message.
    """

    messages: Sequence[np.ndarray | None]
    noise_std: np.ndarray
    mean: np.ndarray
    mean_noise_std: float
    signed: bool = True
    cost: dict[str, float] = field(default_factory=dict)


class RoundObserver:
    """Runs a federation's aggregation round by round and observes what each party can read.

    Args:
        aggregation: how updates are protected and averaged.
        clients: number of clients.
        seeds: seeds of the aggregation's noise.
    """

    def __init__(self, aggregation: Aggregation, clients: int, seeds: np.random.SeedSequence) -> None:
        self.aggregation = aggregation
        # Paillier leaks through its exponents, which can be computed without encryption
        self.parties = None if isinstance(aggregation, Paillier) else aggregation.setup(clients, seeds)

    def observe(self, played: Round) -> Observation:
        """Aggregate the updates of a round and return what can be read of it."""
        if isinstance(self.aggregation, Paillier):
            return _observe_exponents(self.aggregation, played)
        assert self.parties is not None
        clients, aggregator = self.parties
        started = time.perf_counter()
        aggregator.begin(range(len(clients)))
        pairs = zip(clients, played.updates, played.weights, strict=True)
        messages = [client.protect(update, float(weight)) for client, update, weight in pairs]
        sent = time.perf_counter()
        mean = clients[0].open(aggregator.combine(messages))
        cost = {"protecting_seconds": sent - started, "opening_seconds": time.perf_counter() - sent}
        read = [_read_message(aggregator, client, message) for client, message in enumerate(messages)]
        noise_std, mean_noise_std = self._noise_stds(played)
        return Observation(read, noise_std, mean, mean_noise_std, True, cost | {"message_bytes": len(messages[0])})

    def _noise_stds(self, played: Round) -> tuple[np.ndarray, float]:
        """Return the standard deviations in each message and in the mean; they follow from public settings."""
        added = self.aggregation.noise(played.weights.tolist())
        if added is None:
            return played.noise_std, float(np.linalg.norm(played.weights * played.noise_std))
        return np.full(len(played.updates), added[0]), added[1]


def _read_message(aggregator: Aggregator, client: int, message: bytes) -> np.ndarray | None:
    """Return the values in a message that the aggregator can read; None if it can read nothing."""
    _, size, payload = parse_message(message)
    if isinstance(aggregator, SecaggAggregator):
        return _unmask(aggregator, client, payload, size)
    return numbers(payload, aggregator.dtype, size) if isinstance(aggregator, PlainAggregator) else None


def _unmask(aggregator: SecaggAggregator, client: int, payload: bytes, size: int) -> np.ndarray | None:
    """Remove the private mask, which the aggregator knows, from a masked update; None if the rest is uniform.

    An unmasked update is far from uniform, since most rows of the embedding do not change.
    """
    from scipy.stats import chisquare

    left = np.frombuffer(payload, aggregator.ring.dtype) - aggregator.ring.mask(aggregator.seeds[client], size)
    high = (left >> (aggregator.ring.bits - 4)).astype(np.int64)
    uniform = chisquare(np.bincount(high, minlength=16)).pvalue > UNIFORM
    return None if uniform else aggregator.ring.values(left)


def _observe_exponents(aggregation: Paillier, played: Round) -> Observation:
    """Observe a round by its public exponents only: 1 where a value's exponent differs from zero's."""
    read: list[np.ndarray | None] = [None for _ in played.updates]
    if aggregation.encoding == "float":
        zero = zero_exponent()
        read = [(phe_exponents(row) != zero).astype(float) for row in played.updates * played.weights[:, None]]
    mean = np.average(played.updates, 0, played.weights)
    mean[np.abs(mean) <= ROUNDING] = 0
    return Observation(read, np.zeros(len(played.updates)), mean, 0.0, signed=False)
