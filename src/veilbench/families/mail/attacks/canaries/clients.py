"""Canary clients: each sends a random direction, and took part or not. They audit privacy of whole clients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from veilbench.bench.limits import require_room
from veilbench.families.mail.attacks.canaries.rounds import create_weights, deal_mails
from veilbench.families.mail.attacks.canaries.scores import CanaryScores
from veilbench.families.mail.attacks.word_leak.clients import simulate_round
from veilbench.families.mail.attacks.word_leak.round_observer import Observation, Round, RoundObserver
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.local_round import apply_update
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol

TOO_LONG = 10.0  # length of a canary's update in units of the clip: if clipping is missing, it counts ten times


@dataclass(frozen=True)
class CanaryClients:
    """Clients that send the same random direction in every round (Andrew et al. 2024).

    Directions are nearly orthogonal, so that each is one independent test of the noise. A canary has the weight of the
    largest client, for which the noise is scaled. Where privacy is promised against who reads single messages, a canary
    takes the opposite direction instead of being absent: any update may stand in place of any other.

    Attributes:
        directions: update of each canary, longer than the clip, shape (canaries, size), float32.
        included: whether each canary takes part, or takes its direction, shape (canaries,).
        local: whether privacy is promised against who reads the messages.
    """

    directions: np.ndarray
    included: np.ndarray
    local: bool

    @classmethod
    def draw(cls, aggregation: Aggregation, canaries: int, size: int, rng: np.random.Generator) -> CanaryClients:
        """Draw the directions, and flip the coins."""
        require_room(f"canaries={canaries} with {size} weights each", canaries, size, each=24)
        directions = rng.standard_normal((canaries, size), np.float32)
        length = TOO_LONG * aggregation.clip if np.isfinite(aggregation.clip) else 1.0
        directions *= length / np.linalg.norm(directions, axis=1, keepdims=True)
        noise = aggregation.noise([1.0])
        return cls(directions, rng.random(canaries) < 0.5, noise is not None and noise[0] > 0)

    @cached_property
    def sent(self) -> np.ndarray:
        """Updates of the canaries that take part, shape (participants, size)."""
        if self.local:
            signs = np.where(self.included, 1, -1).astype(np.float32)
            return np.asarray(self.directions * signs[:, None])
        return np.asarray(self.directions[self.included])

    def join(self, simulated: Round) -> Round:
        """Return a round in which the canaries take part, too."""
        updates = np.concatenate([simulated.updates, self.sent], dtype=np.float32)  # as they are sent
        weights = np.concatenate([simulated.weights, np.full(len(self.sent), simulated.weights.max())])
        return replace(simulated, updates=updates, weights=weights, noise_std=np.zeros(len(updates)))

    def project(self, observed: Observation) -> np.ndarray:
        """Return what is seen along each direction in a round, shape (canaries,): of its message, or of the mean."""
        if not self.local:
            return np.asarray(self.directions @ observed.mean)
        messages = observed.messages[-len(self.directions) :]
        return np.array([0.0 if m is None else d @ m for d, m in zip(self.directions, messages, strict=True)])


def score_clients(
    protocol: Protocol, data: Mails, canaries: int, rng: np.random.Generator
) -> tuple[CanaryScores, CanaryScores]:
    """Train a federation with canary clients, and average the same updates without clipping and noise.

    Args:
        protocol: settings of the federation.
        data: prepared mails, dealt to the clients.
        canaries: number of canary clients, each included by a coin flip.
        rng: source of the directions, the coin flips, the training and the noise.

    Returns:
        Projections, summed over the rounds; and those of the first round without clipping and noise.
    """
    batches, weights = deal_mails(data), create_weights(data.vocabulary.size)
    size = sum(weight.size for weight in weights.values())
    planted = CanaryClients.draw(protocol.build_aggregation(), canaries, size, rng)
    everyone, silent = len(batches) + len(planted.sent), np.zeros(len(batches))
    private, plain = (
        RoundObserver(aggregation, everyone, np.random.SeedSequence(int(rng.integers(2**62))))
        for aggregation in (protocol.build_aggregation(), Plain())
    )
    seen, unprotected = np.zeros(canaries), np.zeros(canaries)
    for number in range(protocol.rounds):
        joined = planted.join(simulate_round(weights, protocol, batches, rng, silent))
        observed = private.observe(joined)
        seen += planted.project(observed)
        if number == 0:  # without noise, all rounds show the same directions
            unprotected = planted.project(plain.observe(joined))
        weights = apply_update(weights, observed.mean)
    return CanaryScores(seen, planted.included), CanaryScores(unprotected, planted.included)
