"""What a party of a federation gets to see of a round: the aggregator of one message, everybody of the mean."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from veilbench.families.mail.attacks.word_leak.update import phe_exponents, zero_exponent
from veilbench.federated.aggregations.base import Aggregation, Aggregator, opened
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import PlainAggregator, numbers
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator

NAMES = {
    "Plain": "plain",
    "Robust": "robust",
    "CentralDp": "central DP",
    "EqualDp": "central DP, equal clients",
    "LocalDp": "local DP, mails",
    "UpdateDp": "local DP, updates",
    "Ckks": "CKKS",
    "Secagg": "secure aggregation",
}
UNIFORM = 1e-6  # chance that masks are taken for numbers
ROUNDING = 1e-10  # of a decrypted mean: less is nothing


@dataclass(frozen=True)
class Round:
    """One round of a federation whose updates are known, as the attack's judge knows them.

    Attributes:
        updates: shape (clients, size).
        weights: shape (clients,): shares of the mails.
        words: rows of the embedding.
        dimension: of a row.
        jitter: shape (clients,): the deviation of the noise within each update, which is in every value.
    """

    updates: np.ndarray
    weights: np.ndarray
    words: int
    dimension: int
    jitter: np.ndarray

    def embedding(self, client: int) -> np.ndarray:
        """The embedding's part of a client's update, shape (words, dimension)."""
        made: np.ndarray = self.updates[client, : self.words * self.dimension].reshape(self.words, self.dimension)
        return made


@dataclass(frozen=True)
class Reading:
    """What can be read of a round, as numbers.

    Attributes:
        messages: per client, what its message tells the aggregator of each value; None where that is nothing.
        noise: shape (clients,): the deviation of the noise in each message.
        mean: what every client gets, shape (size,).
        mean_noise: the deviation of the noise in it.
        signed: whether a message's numbers have the sign of the update's.
        cost: seconds for protecting, adding and opening, and the bytes of a message.
    """

    messages: Sequence[np.ndarray | None]
    noise: np.ndarray
    mean: np.ndarray
    mean_noise: float
    signed: bool = True
    cost: dict[str, float] = field(default_factory=dict)


class Wiretap:
    """The parties of a federation, met round by round, and who can read what of their messages.

    Args:
        aggregation: how updates are protected.
        clients: how many.
        seeds: for noise.
    """

    def __init__(self, aggregation: Aggregation, clients: int, seeds: np.random.SeedSequence) -> None:
        self.aggregation = aggregation
        # Paillier is read by its exponents, which are known without encrypting
        self.parties = None if isinstance(aggregation, Paillier) else aggregation.setup(clients, seeds)

    def read(self, made: Round) -> Reading:
        """Run a round, and read what can be read."""
        if isinstance(self.aggregation, Paillier):
            return _paillier(self.aggregation, made)
        assert self.parties is not None
        clients, aggregator = self.parties
        started = time.perf_counter()
        aggregator.begin(range(len(clients)))
        pairs = zip(clients, made.updates, made.weights, strict=True)
        messages = [client.protect(update, float(weight)) for client, update, weight in pairs]
        sent = time.perf_counter()
        mean = clients[0].open(aggregator.combine(messages))
        cost = {"protecting_seconds": sent - started, "opening_seconds": time.perf_counter() - sent}
        read = [_readable(aggregator, client, message) for client, message in enumerate(messages)]
        noise, in_mean = self._noise(made)
        return Reading(read, noise, mean, in_mean, True, cost | {"message_bytes": len(messages[0])})

    def _noise(self, made: Round) -> tuple[np.ndarray, float]:
        """Deviations per message, and in the mean: public, as the settings and the numbers of mails are."""
        added = self.aggregation.noise(made.weights.tolist())
        if added is None:
            return made.jitter, float(np.linalg.norm(made.weights * made.jitter))
        return np.full(len(made.updates), added[0]), added[1]


def _readable(aggregator: Aggregator, client: int, message: bytes) -> np.ndarray | None:
    """The numbers in a message that its aggregator can read; None where it can read nothing."""
    _, size, payload = opened(message)
    if isinstance(aggregator, SecaggAggregator):
        return _below_masks(aggregator, client, payload, size)
    return numbers(payload, aggregator.dtype, size) if isinstance(aggregator, PlainAggregator) else None


def _below_masks(aggregator: SecaggAggregator, client: int, payload: bytes, size: int) -> np.ndarray | None:
    """A masked update without the private mask, which the aggregator takes off; None where what is left is uniform.

    An update's numbers are far from it: most rows of the embedding do not move.
    """
    from scipy.stats import chisquare

    left = np.frombuffer(payload, aggregator.ring.dtype) - aggregator.ring.mask(aggregator.seeds[client], size)
    high = (left >> (aggregator.ring.bits - 4)).astype(np.int64)
    uniform = chisquare(np.bincount(high, minlength=16)).pvalue > UNIFORM
    return None if uniform else aggregator.ring.values(left)


def _paillier(aggregation: Paillier, made: Round) -> Reading:
    """From the exponents alone, which are public: 1 where one is not zero's. The mean is the plain one."""
    read: list[np.ndarray | None] = [None for _ in made.updates]
    if aggregation.encoding == "float":
        zero = zero_exponent()
        read = [(phe_exponents(row) != zero).astype(float) for row in made.updates * made.weights[:, None]]
    mean = np.average(made.updates, 0, made.weights)
    mean[np.abs(mean) <= ROUNDING] = 0
    return Reading(read, np.zeros(len(made.updates)), mean, 0.0, signed=False)


def title_of(aggregation: Aggregation) -> str:
    """An aggregation in words."""
    if isinstance(aggregation, Paillier):
        return "Paillier, floats" if aggregation.encoding == "float" else "Paillier, one exponent"
    name = type(aggregation).__name__
    rule: Sequence[str] = [str(aggregation.rule)] if hasattr(aggregation, "rule") else []
    return " ".join([NAMES.get(name, name), *rule]).replace("_", " ")
