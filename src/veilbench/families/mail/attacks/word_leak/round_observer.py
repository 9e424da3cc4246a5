"""Observations of a federation's rounds: the aggregator sees the messages, and all clients see the mean.

The observers are honest-but-curious: they follow the protocol and use everything that they receive.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from veilbench.families.mail.attacks.word_leak.update import compute_exponents, compute_zero_exponent
from veilbench.federated.aggregations.base import Aggregation, Aggregator, parse_message
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import PlainAggregator, parse_values
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator

UNIFORM = 1e-6  # significance level below which values are taken to be unmasked
SMALLEST, LARGEST = 1e-12, 1e6  # usual magnitudes of the values of an update
PLAIN = 0.99  # share of values of a usual magnitude from which bytes are taken for an update
ROUNDING = 1e-10  # rounding error of a decrypted mean; smaller values count as zero


@dataclass(frozen=True)
class Round:
    """A simulated round with all updates, from which messages are generated and by which the attack is evaluated.

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
    """Values that the parties can read in a round.

    Attributes:
        messages: values that the aggregator can read in each client's message, shape (size,); None if the message is
            unreadable.
        noise_std: standard deviation of the noise in each message, shape (clients,).
        mean: mean that every client receives, shape (size,).
        mean_noise_std: standard deviation of the noise in the mean.
        signed: whether the values in messages have the same signs as the update's.
        cost: seconds for protecting the updates and for opening the mean, and bytes of a message.
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
        clients: number of clients in each round.
        seeds: seeds of the aggregation's noise.
    """

    def __init__(self, aggregation: Aggregation, clients: int, seeds: np.random.SeedSequence) -> None:
        self.aggregation = aggregation
        # Paillier leaks through its exponents, which can be computed without encryption
        self.parties = None if isinstance(aggregation, Paillier) else aggregation.setup(clients, seeds)

    def observe(self, simulated: Round) -> Observation:
        """Aggregate the updates of a round and return the values that the parties can read."""
        if isinstance(self.aggregation, Paillier):
            return _observe_exponents(self.aggregation, simulated)
        assert self.parties is not None
        clients, aggregator = self.parties
        started = time.perf_counter()
        aggregator.begin(range(len(clients)))
        pairs = zip(clients, simulated.updates, simulated.weights, strict=True)
        messages = [client.protect(update, float(weight)) for client, update, weight in pairs]
        protected = time.perf_counter()
        mean = clients[0].open(aggregator.combine(messages))
        cost = {"protecting_seconds": protected - started, "opening_seconds": time.perf_counter() - protected}
        read = [_read_message(aggregator, client, message) for client, message in enumerate(messages)]
        noise_std, mean_noise_std = self._compute_noise_stds(simulated)
        return Observation(read, noise_std, mean, mean_noise_std, True, cost | {"message_bytes": len(messages[0])})

    def _compute_noise_stds(self, simulated: Round) -> tuple[np.ndarray, float]:
        """Return the standard deviations of the noise in each message and in the mean, which are public."""
        added = self.aggregation.noise(simulated.weights.tolist())
        if added is None:
            return simulated.noise_std, float(np.linalg.norm(simulated.weights * simulated.noise_std))
        return np.full(len(simulated.updates), added[0]), added[1]


def _read_message(aggregator: Aggregator, client: int, message: bytes) -> np.ndarray | None:
    """Return the values in a message if the aggregator can read them, shape (size,); otherwise None.

    A message of any other aggregation is searched for values that are not encrypted, whatever the aggregation claims.
    """
    _, size, payload = parse_message(message)
    if isinstance(aggregator, SecaggAggregator):
        return _unmask(aggregator, client, payload, size)
    if isinstance(aggregator, PlainAggregator):
        return parse_values(payload, aggregator.dtype, size)
    return find_plain_values(payload, size)


def find_plain_values(payload: bytes, size: int) -> np.ndarray | None:
    """Find an update that is not encrypted at the beginning or the end of a payload.

    Bytes are taken for floats if nearly all of these are zero or of a usual magnitude. Of random bytes, a share of 20 %
    is so as float32, and 3 % as float64.

    Args:
        payload: payload of a message.
        size: number of values in the update.

    Returns:
        The values, shape (size,), float64; None if there are none.
    """
    for dtype in (np.dtype("<f8"), np.dtype("<f4")):
        width = size * dtype.itemsize
        for start in {0, len(payload) - width} if len(payload) >= width else ():
            with np.errstate(invalid="ignore"):  # encrypted bytes are often no numbers
                magnitudes = np.abs(np.frombuffer(payload, dtype, size, start).astype(np.float64))
            usual = (magnitudes == 0) | ((magnitudes > SMALLEST) & (magnitudes < LARGEST))
            if usual.mean() > PLAIN:
                return np.frombuffer(payload, dtype, size, start).astype(np.float64)
    return None


def _unmask(aggregator: SecaggAggregator, client: int, payload: bytes, size: int) -> np.ndarray | None:
    """Remove the private mask, which the aggregator knows, from a masked update.

    If the pairwise masks are missing, the result is the update, which is far from uniform because most rows of the
    embedding do not change. If the result is uniform, it is still masked, and None is returned.
    """
    from scipy.stats import chisquare

    mask = aggregator.ring.expand_mask(aggregator.seeds[client], size)
    remainder = np.frombuffer(payload, aggregator.ring.dtype) - mask
    high = (remainder >> (aggregator.ring.bits - 4)).astype(np.int64)
    uniform = chisquare(np.bincount(high, minlength=16)).pvalue > UNIFORM
    return None if uniform else aggregator.ring.dequantise(remainder)


def _observe_exponents(aggregation: Paillier, simulated: Round) -> Observation:
    """Observe a round by the public exponents only: a value is 1 if its exponent differs from that of zero, else 0."""
    read: list[np.ndarray | None] = [None for _ in simulated.updates]
    if aggregation.encoding == "float":
        zero = compute_zero_exponent()
        read = [
            (compute_exponents(row) != zero).astype(float) for row in simulated.updates * simulated.weights[:, None]
        ]
    mean = np.average(simulated.updates, 0, simulated.weights)
    mean[np.abs(mean) <= ROUNDING] = 0
    return Observation(read, np.zeros(len(simulated.updates)), mean, 0.0, signed=False)
