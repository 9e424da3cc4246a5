"""Rounds of the federations of many shadow filters, combined by the attacked federation's own rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from veilbench.families.mail.shadow_steps import ShadowSteps
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client

Parties = tuple[Sequence[Client], Aggregator]


class ShadowRounds:
    """Federations of all shadows, one each, with the same clients.

    An aggregation that computes the mean is replaced by the mean. Every other one, such as a robust rule or one that
    clips and adds noise, is set up for each shadow and combines its updates.

    Args:
        aggregation: how the attacked federation combines updates; None averages them.
        members: indices of the mails of each client.
        inside: whether each shadow is trained on each mail, shape (shadows, n), bool.
        rng: source of the aggregations' noise.
    """

    def __init__(
        self,
        aggregation: Aggregation | None,
        members: Sequence[np.ndarray],
        inside: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        self.members, self.inside = members, inside
        self.shares = np.array([inside[:, own].sum(1) / inside.sum(1) for own in members])
        self.parties = list[Parties]()
        if aggregation is not None and aggregation.error is None:
            seeds = np.random.SeedSequence(int(rng.integers(2**62))).spawn(len(inside))
            self.parties = [aggregation.setup(len(members), seed) for seed in seeds]

    def run(
        self, steps: ShadowSteps, weights: np.ndarray, bags: Any, labels: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the weights of all shadows after a round, shape (words, shadows).

        Args:
            steps: local training of a client.
            weights: weights before, shape (words, shadows).
            bags: word counts of all mails, sparse, shape (n, words).
            labels: labels of the mails, shape (n,).
            rng: generator of the batches and of the local noise.
        """
        updates = (steps.train(weights, bags, labels, self.inside, own, rng) - weights for own in self.members)
        if not self.parties:
            moved = np.zeros_like(weights)
            for share, update in zip(self.shares, updates, strict=True):
                moved += share.astype(np.float32) * update
            return np.asarray(weights + moved)
        stacked = np.stack(list(updates))
        means = [self._combine(shadow, stacked[:, :, shadow]) for shadow in range(len(self.inside))]
        return np.asarray(weights + np.stack(means, 1).astype(np.float32))

    def _combine(self, shadow: int, updates: np.ndarray) -> np.ndarray:
        """Combine a shadow's updates of the clients that have mails, shape (clients, words), as the rule does."""
        clients, aggregator = self.parties[shadow]
        present = [client for client in range(len(clients)) if self.shares[client, shadow] > 0]
        aggregator.begin(present)
        sent = [clients[client].protect(updates[client], float(self.shares[client, shadow])) for client in present]
        combined: np.ndarray = clients[present[0]].open(aggregator.combine(sent, present))
        return combined
