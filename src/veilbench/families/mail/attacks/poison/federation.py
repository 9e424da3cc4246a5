"""A federation that goes on for some rounds with malicious clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from veilbench.bench.limits import Count, Steps
from veilbench.families.mail.attacks.poison.rogues.base import LastRound, Rogue, RogueView
from veilbench.families.mail.attacks.poison.trigger import Trigger
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.protocol import Protocol

Weights = Mapping[str, np.ndarray]
ROUNDING = 1e-6  # by which a clipped value stays below the limit when it is weighted in float32


@dataclass(frozen=True)
class RogueClients:
    """How many clients are malicious, and how they learn the trigger.

    Attributes:
        count: number of malicious clients in a round.
        trigger: number of words in the trigger of the backdoor. Where a rule bounds the norm of an update, more words
            move a mail's score further by the same norm: on validation mails, two clients of ten passed 22 % of the
            spam under the geometric median with 5 words, 69 % with 20, and all with 60 (benchmarks/poisoning.py).
        epochs: local epochs in which a malicious client learns the trigger.
        words: kind of the trigger's words: `unused` in all mails, or `common` in those of the malicious clients.
    """

    count: Count = 2
    trigger: Count = 60
    epochs: Steps = 2
    words: Literal["unused", "common"] = "unused"


@dataclass(frozen=True)
class LocalUpdates:
    """Updates that the clients compute from the same weights.

    Attributes:
        honest: every client's update with the noise of the aggregation, shape (clients, size).
        own: the malicious clients' updates of ordinary training without noise, shape (rogues, size).
        taught: rows of the trigger after training on spam with the trigger, shape (rogues, trigger's size).
    """

    honest: np.ndarray
    own: np.ndarray
    taught: np.ndarray


@dataclass(frozen=True)
class AttackedFederation:
    """Rounds of a trained filter's federation, in which the first clients are malicious.

    Attributes:
        target: filter from whose weights the rounds start.
        protocol: settings of local training.
        aggregation: how updates are combined.
        batches: mails of each client.
        rogue: number of malicious clients, and how they learn the trigger.
        trigger: words that the malicious clients teach, with their label.
        seed: seed of the order of the mails and of all noise.
    """

    target: MailFilter
    protocol: Protocol
    aggregation: Aggregation
    batches: Sequence[ClientBatch]
    rogue: RogueClients
    trigger: Trigger
    seed: int

    @cached_property
    def first(self) -> LocalUpdates:
        """The updates of the first round, which are the same for all behaviours."""
        return self._train(self.target.weights, 0)

    def run(self, rogue: Rogue, rounds: int) -> list[Weights]:
        """Return the weights after each round with malicious clients.

        Args:
            rogue: behaviour of the malicious clients.
            rounds: number of attacked rounds, at least 1.
        """
        from veilbench.families.mail.local_round import apply_update

        parties, weights = self._set_up(), list[Weights]([self.target.weights])
        rng, last = np.random.default_rng([self.seed, 1]), None
        for number in range(rounds):
            local = self._train(weights[-1], number) if number else self.first
            sent = [*self._craft(rogue, local, rng, last), *local.honest[self.rogue.count :]]
            last = LastRound(sent[0], combine(parties, sent, number))
            weights.append(apply_update(weights[-1], last.moved))
        return weights[1:]

    def craft_first(self, rogue: Rogue) -> np.ndarray:
        """Return the updates that the malicious clients send in the first round, shape (rogues, size)."""
        return self._craft(rogue, self.first, np.random.default_rng([self.seed, 1]), None)

    def _craft(self, rogue: Rogue, local: LocalUpdates, rng: np.random.Generator, last: LastRound | None) -> np.ndarray:
        rows, clients = self.trigger.rows, len(self.batches)
        return self._fit(rogue.craft(RogueView(local.own, local.taught, rows, clients, self._simulate, rng, last)))

    def replace_first(self, updates: Sequence[np.ndarray]) -> Weights:
        """Return the weights after one round in which the first clients send these updates."""
        from veilbench.families.mail.local_round import apply_update

        sent = [*(self._fit(update) for update in updates), *self.first.honest[len(updates) :]]
        return apply_update(self.target.weights, combine(self._set_up(), sent, 0))

    def train_client(self, weights: Weights, batch: ClientBatch, number: int, epochs: int | None = None) -> np.ndarray:
        """Compute a client's update without noise, shape (size,).

        Args:
            weights: weights at the start of the round.
            batch: mails of the client.
            number: number of the round, from 0.
            epochs: local epochs; None takes those of the protocol.
        """
        from veilbench.families.mail.local_round import train_client

        settings = replace(self.protocol, local_epochs=epochs or self.protocol.local_epochs)
        return train_client(weights, batch.tokens, batch.labels, settings, self.seed + number)

    def _train(self, weights: Weights, number: int) -> LocalUpdates:
        """Train all clients from the weights."""
        mine = self.batches[: self.rogue.count]
        own = np.stack([self.train_client(weights, batch, number) for batch in mine])
        poisoned = [self.trigger.poison(batch) for batch in mine]
        taught = np.stack([self.train_client(weights, batch, number, self.rogue.epochs) for batch in poisoned])
        honest = self._train_honestly(weights, number, own)
        return LocalUpdates(honest, own, taught[:, self.trigger.rows])

    def _train_honestly(self, weights: Weights, number: int, own: np.ndarray) -> np.ndarray:
        """Return every client's honest update; without noise those of the malicious clients are `own`."""
        from veilbench.families.mail.local_round import train_client

        if (noise := self.aggregation.example_noise()) is None:
            others = self.batches[len(own) :]
            return np.stack([*own, *(self.train_client(weights, batch, number) for batch in others)])
        seeds = [self.seed + (number + 1) * len(self.batches) + client for client in range(len(self.batches))]
        settings = (self.protocol, noise)
        return np.stack(
            [
                train_client(weights, batch.tokens, batch.labels, settings[0], seed, settings[1])
                for batch, seed in zip(self.batches, seeds, strict=True)
            ]
        )

    def _set_up(self) -> tuple[list[Client], Aggregator]:
        return self.aggregation.setup(len(self.batches), np.random.SeedSequence(self.seed))

    def _fit(self, updates: np.ndarray) -> np.ndarray:
        """Clip updates to the values that a message can hold; larger ones are refused, and the round has no mean."""
        largest = self.aggregation.largest_value(len(self.batches)) * len(self.batches) * (1 - ROUNDING)
        clipped: np.ndarray = np.clip(updates, -largest, largest)
        return clipped

    def _simulate(self, updates: np.ndarray) -> np.ndarray:
        """Combine updates as the federation does, without encryption, which changes no mean."""
        updates = self._fit(updates)
        if self.aggregation.error is not None:
            return np.asarray(updates.mean(0))
        return combine(self._set_up(), updates, 0)


def combine(
    parties: tuple[Sequence[Client], Aggregator], updates: Sequence[np.ndarray] | np.ndarray, number: int
) -> np.ndarray:
    """Return the combined update of a round in which all clients have equal weights, shape (size,).

    Args:
        parties: clients and aggregator.
        updates: one update for each client.
        number: number of the round, from 0.
    """
    clients, aggregator = parties
    aggregator.begin(range(len(clients)))
    sent = zip(clients, updates, strict=True)
    return clients[-1].open(aggregator.combine([c.protect(u, 1 / len(clients), number) for c, u in sent]))
