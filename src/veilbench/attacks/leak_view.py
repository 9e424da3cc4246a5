"""What a party of a federation gets to see of a round: the aggregator of one message, everybody of the mean."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.attacks.word_leak import phe_exponents, words_by_exponent
from veilbench.data.vocabulary import FIRST_WORD
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

    def noise(self) -> tuple[float, float]:
        """The largest deviation of the noise within one update, and that within the mean."""
        return float(self.jitter.max()), float(np.linalg.norm(self.weights * self.jitter))

    def embedding(self, client: int) -> np.ndarray:
        """The embedding's part of a client's update, shape (words, dimension)."""
        made: np.ndarray = self.updates[client, : self.words * self.dimension].reshape(self.words, self.dimension)
        return made

    def moved(self, values: np.ndarray, above: float) -> np.ndarray:
        """Numbers of the words whose row of the embedding has a value beyond `above`."""
        rows = np.abs(values[: self.words * self.dimension].reshape(self.words, self.dimension)).max(1)
        found = np.flatnonzero(rows > above)
        return found[found >= FIRST_WORD]


@dataclass(frozen=True)
class Sight:
    """What was seen of a round, as the words that it names.

    Attributes:
        messages: per client, the words that its message names to the aggregator.
        mean: the words that the mean names to everybody who gets it.
        cost: seconds for protecting, adding and opening, and the bytes of a message.
    """

    messages: list[np.ndarray]
    mean: np.ndarray
    cost: dict[str, float]


def seen(aggregation: Aggregation, made: Round, seeds: np.random.SeedSequence, deviations: float) -> Sight:
    """Run the round under an aggregation, and read what can be read.

    Args:
        aggregation: how updates are protected.
        made: the round.
        seeds: for noise.
        deviations: a value counts as moved from so many deviations of the noise on.
    """
    noise = aggregation.noise(made.weights.tolist())
    in_message, in_mean = (deviations * part for part in noise or made.noise())
    if isinstance(aggregation, Paillier):
        return _paillier(aggregation, made)
    clients, aggregator = aggregation.setup(len(made.updates), seeds)
    started = time.perf_counter()
    aggregator.begin(range(len(clients)))
    pairs = zip(clients, made.updates, made.weights, strict=True)
    messages = [client.protect(update, float(weight)) for client, update, weight in pairs]
    sent = time.perf_counter()
    mean = clients[0].open(aggregator.combine(messages))
    cost = {"protecting_seconds": sent - started, "opening_seconds": time.perf_counter() - sent}
    read = [_readable(aggregator, client, message) for client, message in enumerate(messages)]
    nothing = np.empty(0, np.int64)
    named = [nothing if values is None else made.moved(values, in_message) for values in read]
    return Sight(named, made.moved(mean, in_mean), cost | {"message_bytes": len(messages[0])})


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


def _paillier(aggregation: Paillier, made: Round) -> Sight:
    """From the exponents alone, which are public and known without encrypting; the mean is the plain one."""
    nothing = np.empty(0, np.int64)
    named = [nothing for _ in made.updates]
    if aggregation.encoding == "float":
        embedding = made.updates[:, : made.words * made.dimension] * made.weights[:, None]
        exponents = [phe_exponents(row).reshape(made.words, -1).min(1) for row in embedding]
        named = [words_by_exponent(row) for row in exponents]
    return Sight(named, made.moved(np.average(made.updates, 0, made.weights), 1e-10), {})


def title_of(aggregation: Aggregation) -> str:
    """An aggregation in words."""
    if isinstance(aggregation, Paillier):
        return "Paillier, floats" if aggregation.encoding == "float" else "Paillier, one exponent"
    name = type(aggregation).__name__
    rule: Sequence[str] = [str(aggregation.rule)] if hasattr(aggregation, "rule") else []
    return " ".join([NAMES.get(name, name), *rule]).replace("_", " ")
