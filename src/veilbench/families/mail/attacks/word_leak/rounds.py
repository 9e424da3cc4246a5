"""The attacker's knowledge after some rounds: observations accumulated over the rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from veilbench.families.mail.attacks.word_leak.cases import Crowd, one_round
from veilbench.families.mail.attacks.word_leak.view import Reading, Round, Wiretap
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.local_round import moved_weights
from veilbench.federated.protocol import Protocol


@dataclass(frozen=True)
class Named:
    """The words that the attacker reports.

    Attributes:
        words: word numbers, sorted.
        leanings: inferred label of each word, shape (rows,): 1 for spam, -1 for ham, 0 for words that are not
            reported; None if labels cannot be inferred.
    """

    words: np.ndarray
    leanings: np.ndarray | None


class Evidence:
    """Observations of one client's messages, or of the means, accumulated over the rounds so far.

    Args:
        rows: number of rows of the embedding.
        dimension: length of a row.
    """

    def __init__(self, rows: int, dimension: int) -> None:
        self.total, self.variance = np.zeros((rows, dimension)), 0.0
        self.ever, self.peak, self.rounds = np.zeros(rows, bool), np.zeros(rows), 0

    def add(self, values: np.ndarray | None, deviation: float) -> None:
        """Add one round's observation.

        Args:
            values: observed update, embedding first; None if nothing could be read.
            deviation: standard deviation of the noise in these values; 0 for none.
        """
        if values is None:
            return
        own = values[: self.total.size].reshape(self.total.shape)
        self.total += own
        self.variance += deviation**2
        self.ever |= (own != 0).any(1)
        self.rounds += 1
        if deviation:
            self.peak = np.maximum(self.peak, np.abs(own).max(1) / deviation)

    def named(self, deviations: float, signed: bool = True) -> Named:
        """Return the words that ever changed or, under noise, whose sum or any single round exceeds the threshold.

        The sum and the single rounds share the false alarms of the threshold equally, and so do the rounds among
        themselves (Bonferroni).

        Args:
            deviations: detection threshold of a single test, in standard deviations of the noise.
            signed: whether the observed values have the sign of the update's.
        """
        out = self._standing_out(deviations) if self.variance else self.ever
        out = out & (np.arange(len(out)) >= FIRST_WORD)
        told = signed and self.total.shape[1] == 1
        return Named(np.flatnonzero(out), np.sign(self.total[:, 0] * out).astype(np.int64) if told else None)

    def _standing_out(self, deviations: float) -> np.ndarray:
        if self.rounds == 1:
            return self.peak > deviations
        tail = float(ndtr(-deviations)) / 2
        made: np.ndarray = np.abs(self.total).max(1) > float(-ndtri(tail)) * np.sqrt(self.variance)
        made |= self.peak > float(-ndtri(tail / self.rounds))
        return made


@dataclass(frozen=True)
class Sight:
    """The attacker's knowledge after some rounds.

    Attributes:
        messages: for each client, the words that its messages reveal to the aggregator.
        mean: words that the means reveal to every client.
        crowd: the clients, with the mails that they have used so far.
        cost: costs of the last round, in seconds and bytes.
    """

    messages: list[Named]
    mean: Named
    crowd: Crowd
    cost: dict[str, float]

    def guesses(self) -> list[np.ndarray]:
        """Return the numbers of the words that each client's messages reveal."""
        return [named.words for named in self.messages]


class Tally:
    """Accumulates observations round by round.

    Args:
        made: the first round, which determines the shapes.
        deviations: detection threshold in standard deviations of the noise.
    """

    def __init__(self, made: Round, deviations: float) -> None:
        self.messages = [Evidence(made.words, made.dimension) for _ in made.updates]
        self.mean, self.deviations = Evidence(made.words, made.dimension), deviations

    def add(self, reading: Reading, crowd: Crowd) -> Sight:
        """Add one round and return the attacker's knowledge after it.

        Args:
            reading: observation of the round.
            crowd: the clients, with the mails that they have used so far.
        """
        for evidence, values, noise in zip(self.messages, reading.messages, reading.noise, strict=True):
            evidence.add(values, float(noise))
        self.mean.add(reading.mean, reading.mean_noise)
        named = [evidence.named(self.deviations, reading.signed) for evidence in self.messages]
        return Sight(named, self.mean.named(self.deviations), crowd, reading.cost)


def overheard(
    weights: Mapping[str, np.ndarray],
    protocol: Protocol,
    tap: Wiretap,
    draw: Callable[[], Crowd],
    rng: np.random.Generator,
    deviations: float,
) -> Iterator[tuple[Round, Sight]]:
    """Simulate rounds endlessly, each from the weights after the previous one.

    Args:
        weights: global weights at the start, by parameter name.
        protocol: public settings of the federation.
        tap: runs the aggregation and observes its messages.
        draw: draws the clients' mails; called in every round if the protocol limits the mails, otherwise once.
        rng: generator of the seeds of local training.
        deviations: detection threshold in standard deviations of the noise.

    Yields:
        Each round, and the attacker's knowledge after it.
    """
    crowd = so_far = draw()
    made = one_round(weights, protocol, crowd.cases, rng)
    tally = Tally(made, deviations)
    while True:
        reading = tap.read(made)
        yield made, tally.add(reading, so_far)
        weights = moved_weights(weights, reading.mean)
        if protocol.mails is not None:
            crowd = draw()
            so_far = so_far.and_then(crowd)
        made = one_round(weights, protocol, crowd.cases, rng, made.jitter)
