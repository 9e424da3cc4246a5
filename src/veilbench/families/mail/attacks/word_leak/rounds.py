"""What an attacker knows after some rounds: everything that he has read, added up."""

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
    """Words that somebody names.

    Attributes:
        words: their numbers, sorted.
        leanings: shape (rows,), see `update.leanings`: 0 for words that are not named; None where none can be told.
    """

    words: np.ndarray
    leanings: np.ndarray | None


class Evidence:
    """What was read of one client's messages, or of the means, so far.

    Args:
        rows: of the embedding.
        dimension: of a row.
    """

    def __init__(self, rows: int, dimension: int) -> None:
        self.total, self.variance = np.zeros((rows, dimension)), 0.0
        self.ever, self.peak, self.rounds = np.zeros(rows, bool), np.zeros(rows), 0

    def add(self, values: np.ndarray | None, deviation: float) -> None:
        """One round's values, with the deviation of their noise; None: nothing could be read."""
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
        """The words: those ever moved, or those that stand out of the noise, in the sum or in one of the rounds.

        The two share the false alarms of `deviations`, as the rounds share theirs (Bonferroni).
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
    """What was seen of some rounds, as the words that it names.

    Attributes:
        messages: per client, the words that its messages name to the aggregator.
        mean: the words that the means name to everybody who gets them.
        crowd: the clients, with the mails that they have used so far.
        cost: of the last round.
    """

    messages: list[Named]
    mean: Named
    crowd: Crowd
    cost: dict[str, float]

    def guesses(self) -> list[np.ndarray]:
        """Per client, the words that its messages name."""
        return [named.words for named in self.messages]


class Tally:
    """Adds up what is read, round by round.

    Args:
        made: the first round, for the shapes.
        deviations: a value counts as moved from so many deviations of the noise on.
    """

    def __init__(self, made: Round, deviations: float) -> None:
        self.messages = [Evidence(made.words, made.dimension) for _ in made.updates]
        self.mean, self.deviations = Evidence(made.words, made.dimension), deviations

    def add(self, reading: Reading, crowd: Crowd) -> Sight:
        """What is known after one round more.

        Args:
            reading: of the round.
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
    """Rounds without end, each from the weights that the one before has left: the round, and all that is known by then.

    Args:
        weights: the common ones, to begin with.
        protocol: of the federation.
        tap: reads.
        draw: the clients. Where the protocol limits their mails they draw others in each round.
        rng: seeds the clients' training.
        deviations: see `Tally`.
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
