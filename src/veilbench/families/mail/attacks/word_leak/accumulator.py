"""The attacker's knowledge after some rounds: observations accumulated over the rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from veilbench.families.mail.attacks.word_leak.clients import Clients, simulate_round
from veilbench.families.mail.attacks.word_leak.round_observer import Observation, Round, RoundObserver
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.local_round import apply_update
from veilbench.federated.protocol import Protocol


@dataclass(frozen=True)
class WordGuess:
    """The words that the attacker reports.

    Attributes:
        words: word numbers, sorted.
        labels: inferred label of each row's word, shape (rows,): 1 for spam, -1 for ham, 0 for words that are not
            reported; None if labels cannot be inferred.
    """

    words: np.ndarray
    labels: np.ndarray | None


class WordEvidence:
    """Observations of one client's messages, or of the means, accumulated over the rounds so far.

    Args:
        rows: number of rows of the embedding.
        dimension: length of a row.

    Attributes:
        total: sum of the observed updates of the embedding, shape (rows, dimension).
        variance: variance of the noise in each value of `total`.
        changed: whether each row differed from zero in any round, shape (rows,).
        peak: largest magnitude of each row in any round, in standard deviations of the noise, shape (rows,).
        rounds: number of observed rounds.
    """

    def __init__(self, rows: int, dimension: int) -> None:
        self.total, self.variance = np.zeros((rows, dimension)), 0.0
        self.changed, self.peak, self.rounds = np.zeros(rows, bool), np.zeros(rows), 0

    def add(self, values: np.ndarray | None, noise_std: float) -> None:
        """Add one round's observation.

        Args:
            values: observed update, shape (size,), which starts with the embedding; None if nothing could be read.
            noise_std: standard deviation of the noise in these values; 0 for none.
        """
        if values is None:
            return
        embedding = values[: self.total.size].reshape(self.total.shape)
        self.total += embedding
        self.variance += noise_std**2
        self.changed |= (embedding != 0).any(1)
        self.rounds += 1
        if noise_std:
            self.peak = np.maximum(self.peak, np.abs(embedding).max(1) / noise_std)

    def guess(self, z_threshold: float, signed: bool = True) -> WordGuess:
        """Guess the words that the client has used.

        Without noise these are the words whose rows changed in any round. Under noise they are the words whose
        accumulated update, or update in any single round, exceeds the threshold. The false positive rate of the
        threshold is divided equally between the sum and the single rounds, and among the rounds (Bonferroni).

        Args:
            z_threshold: detection threshold of a single test, in standard deviations of the noise.
            signed: whether the observed values have the same signs as the update's; otherwise no labels are inferred.
        """
        reported = self._find_exceeding(z_threshold) if self.variance else self.changed
        reported = reported & (np.arange(len(reported)) >= FIRST_WORD)
        if not signed or self.total.shape[1] > 1:
            return WordGuess(np.flatnonzero(reported), None)
        return WordGuess(np.flatnonzero(reported), np.sign(self.total[:, 0] * reported).astype(np.int64))

    def _find_exceeding(self, z_threshold: float) -> np.ndarray:
        """Return whether each row exceeds the noise threshold in the sum or in a single round, shape (rows,)."""
        if self.rounds == 1:
            return self.peak > z_threshold
        tail = float(ndtr(-z_threshold)) / 2
        exceeding: np.ndarray = np.abs(self.total).max(1) > float(-ndtri(tail)) * np.sqrt(self.variance)
        exceeding |= self.peak > float(-ndtri(tail / self.rounds))
        return exceeding


@dataclass(frozen=True)
class Knowledge:
    """The attacker's knowledge after some rounds.

    Attributes:
        messages: words that each client's messages reveal to the aggregator, one guess per client.
        mean: words that the means reveal to every client.
        clients: the clients with the mails that they have used so far.
        cost: seconds and bytes of the last round, by name.
        readable: whether any message could be read.
    """

    messages: list[WordGuess]
    mean: WordGuess
    clients: Clients
    cost: dict[str, float]
    readable: bool = True

    def guesses(self) -> list[np.ndarray]:
        """Return the numbers of the words that each client's messages reveal."""
        return [guess.words for guess in self.messages]


class Accumulator:
    """Accumulates observations round by round.

    Args:
        first: first round, from which the number of clients and the shape of the embedding are taken.
        z_threshold: detection threshold in standard deviations of the noise.
    """

    def __init__(self, first: Round, z_threshold: float) -> None:
        self.messages = [WordEvidence(first.words, first.dimension) for _ in first.updates]
        self.mean, self.z_threshold = WordEvidence(first.words, first.dimension), z_threshold

    def add(self, observation: Observation, clients: Clients) -> Knowledge:
        """Add one round and return the attacker's knowledge after it.

        Args:
            observation: values that the parties could read in this round.
            clients: the clients, with the mails that they have used so far.
        """
        for evidence, values, std in zip(self.messages, observation.messages, observation.noise_std, strict=True):
            evidence.add(values, float(std))
        self.mean.add(observation.mean, observation.mean_noise_std)
        guesses = [evidence.guess(self.z_threshold, observation.signed) for evidence in self.messages]
        readable = any(evidence.rounds for evidence in self.messages)
        return Knowledge(guesses, self.mean.guess(self.z_threshold), clients, observation.cost, readable)


def observe_rounds(
    weights: Mapping[str, np.ndarray],
    protocol: Protocol,
    observer: RoundObserver,
    draw: Callable[[], Clients],
    rng: np.random.Generator,
    z_threshold: float,
) -> Iterator[tuple[Round, Knowledge]]:
    """Simulate and observe rounds, each from the weights after the previous one; the iterator does not end.

    Args:
        weights: global weights at the start, by parameter name.
        protocol: public settings of the federation.
        observer: runs the aggregation and observes its messages.
        draw: function that draws the clients' mails; called in every round if the protocol limits the number of mails
            per round, otherwise once.
        rng: generator of the seeds of local training.
        z_threshold: detection threshold in standard deviations of the noise.

    Yields:
        Each round, and the attacker's knowledge after it.
    """
    clients = so_far = draw()
    simulated = simulate_round(weights, protocol, clients.batches, rng)
    accumulator = Accumulator(simulated, z_threshold)
    while True:
        observation = observer.observe(simulated)
        yield simulated, accumulator.add(observation, so_far)
        weights = apply_update(weights, observation.mean)
        if protocol.mails is not None:
            clients = draw()
            so_far = so_far.extend(clients)
        simulated = simulate_round(weights, protocol, clients.batches, rng, simulated.noise_std)
