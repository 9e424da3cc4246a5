"""Privacy audit in one training run: canary mails, each in the training set or not by a coin flip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.families.mail.attacks.poison.trigger import draw_unused_words
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.metrics.audit import epsilon_in_one_run

REPEATS = 20  # times that a canary repeats its word, so that the clipped gradient is nearly all the word's


def audit(protocol: Protocol, data: Mails, canaries: int, delta: float, rng: np.random.Generator) -> dict[str, Metric]:
    """Audit a federation by a training with canaries (Steinke et al. 2023), and the same without noise as a control.

    A canary is a spam mail of one word that no other mail has. Half of the canaries, by coin flips, are given to the
    clients. After training from zero weights, the third of the canaries with the largest weights is guessed to have
    been included, and the third with the smallest not.

    Args:
        protocol: settings of the federation.
        data: prepared mails, dealt to the clients.
        canaries: number of canary mails to plant.
        delta: delta of (epsilon, delta) differential privacy.
        rng: source of the words, the coin flips, the training and the noise.

    Returns:
        Lower bounds of epsilon by the names of the metrics: what the canaries show of this federation, what they show
        of the same federation without noise, and what is shown at most, if all guesses are right.
    """
    third = canaries // 3
    plain = replace(protocol, aggregation=describe_aggregation(Plain()))
    shown = {
        name: epsilon_in_one_run(count_right(settings, data, canaries, rng), 2 * third, canaries, delta)
        for name, settings in (("shown_by_canaries", protocol), ("shown_by_canaries_without_noise", plain))
    }
    shown["provable_by_canaries"] = epsilon_in_one_run(2 * third, 2 * third, canaries, delta)
    return {f"epsilon_{name}": bound for name, bound in shown.items()}


def count_right(protocol: Protocol, data: Mails, canaries: int, rng: np.random.Generator) -> int:
    """Train with canaries, and return how many of the guesses about their inclusion are right."""
    words, included = draw_unused_words(data, canaries, rng), rng.random(canaries) < 0.5
    weights = _train(protocol, _deal(data, words[included]), data, rng)
    order, third = np.argsort(weights[words], kind="stable"), canaries // 3
    return int(included[order[-third:]].sum() + (~included[order[:third]]).sum())


def _deal(data: Mails, words: np.ndarray) -> list[ClientBatch]:
    """Return the clients' mails, with one canary for each of the words dealt to the clients in turn."""
    canaries = np.zeros((len(words), data.train.tokens.shape[1]), data.train.tokens.dtype)
    canaries[:, :REPEATS] = words[:, None]
    clients = int(data.clients.max()) + 1
    batches = []
    for client in range(clients):
        own, dealt = data.clients == client, canaries[client::clients]
        labels = np.concatenate([data.train.labels[own], np.ones(len(dealt), data.train.labels.dtype)])
        batches.append(ClientBatch(np.concatenate([data.train.tokens[own], dealt]), labels))
    return batches


def _train(protocol: Protocol, batches: list[ClientBatch], data: Mails, rng: np.random.Generator) -> np.ndarray:
    """Train a filter with one weight per word from zero, and return the words' weights, shape (words,)."""
    from veilbench.families.mail.attacks.word_leak.clients import simulate_round
    from veilbench.families.mail.attacks.word_leak.round_observer import RoundObserver
    from veilbench.families.mail.local_round import apply_update

    weights = {
        name: np.zeros((rows, 1), np.float32)
        for name, rows in (("embedding.weight", data.vocabulary.size), ("bias.weight", 1))
    }
    seeds = np.random.SeedSequence(int(rng.integers(2**62)))
    observer, silent = RoundObserver(protocol.build_aggregation(), len(batches), seeds), np.zeros(len(batches))
    for _ in range(protocol.rounds):
        observed = observer.observe(simulate_round(weights, protocol, batches, rng, silent))
        weights = apply_update(weights, observed.mean)
    return weights["embedding.weight"][:, 0]
