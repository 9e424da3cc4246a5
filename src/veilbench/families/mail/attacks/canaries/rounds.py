"""Rounds of a federation that is trained from zero weights for an audit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, simulate_round
from veilbench.families.mail.attacks.word_leak.round_observer import Observation, RoundObserver
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.local_round import apply_update
from veilbench.federated.protocol import Protocol


def deal_mails(data: Mails) -> list[ClientBatch]:
    """Return the training mails of each client."""
    owners = [data.clients == client for client in range(int(data.clients.max()) + 1)]
    return [ClientBatch(data.train.tokens[own], data.train.labels[own]) for own in owners]


def create_weights(words: int) -> dict[str, np.ndarray]:
    """Return the weights of an untrained filter with one weight per word, all of them 0."""
    return {name: np.zeros((rows, 1), np.float32) for name, rows in (("embedding.weight", words), ("bias.weight", 1))}


def run_rounds(
    protocol: Protocol, batches: list[ClientBatch], words: int, rng: np.random.Generator
) -> Iterator[Observation]:
    """Train a filter with one weight per word from zero, and yield what the parties read in each round.

    Args:
        protocol: settings of the federation.
        batches: mails of each client.
        words: number of words of the vocabulary.
        rng: source of the training's order and of the noise.
    """
    weights, seeds = create_weights(words), np.random.SeedSequence(int(rng.integers(2**62)))
    observer, silent = RoundObserver(protocol.build_aggregation(), len(batches), seeds), np.zeros(len(batches))
    for _ in range(protocol.rounds):
        observed = observer.observe(simulate_round(weights, protocol, batches, rng, silent))
        weights = apply_update(weights, observed.mean)
        yield observed
