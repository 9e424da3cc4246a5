"""Secure aggregation (Bonawitz et al. 2017, Bell et al. 2020) with Flower's primitives: masks cancel in the sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from veilbench.bench.limits import Count, Positive
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator
from veilbench.federated.aggregations.secagg_bound import Adversary, Assumptions
from veilbench.federated.aggregations.secagg_client import SecaggClient, import_encryption
from veilbench.federated.aggregations.secagg_masks import Ring
from veilbench.federated.aggregations.secagg_policy import SharingPolicy
from veilbench.federated.aggregations.secagg_transport import Transport

ShareBelowOne = Annotated[float, Ge(0), Lt(1)]


class Secagg(Aggregation):
    """SecAgg+ in five phases per round: keys, shares, masked updates, signatures on the survivors, unmasking.

    Flower's workflow supports only its older API, so the protocol is implemented here with Flower's key agreement
    (ECDH over P-384, HKDF) and encryption. Three parts of Flower 1.41 are replaced:

    - Flower's masks come from the Mersenne Twister, whose seed is reduced from 256 to 32 bits. They can be removed by
      2**32 trials, or by linear algebra if some values are known to be zero. Here, masks come from AES-256 in counter
      mode.
    - Flower's quantisation is stochastic. Here, values are rounded to the nearest integer, so that the mean does not
      depend on the random keys.
    - Flower's Shamir shares take 0.2 s for each client with 34 neighbours. Here, a secret is one number in a prime
      field, and is shared in less than a millisecond.

    The aggregator learns the sum and which clients took part. Before clients reveal shares, they sign the list of
    survivors and require the signatures of a threshold of their neighbours on the same list (Bonawitz et al. 2017).
    The aggregator must hand out the clients' own keys and draw the ring at random, which Bell et al. (2020) call
    semi-malicious: if it replaced the keys by its own, it could remove every mask. In a sum of
    two clients, each client can compute the other's update.

    Args:
        threshold: share of a neighbourhood, including the client itself, that must respond for unmasking; in (0.5, 1].
            None is just above 1/2, or just above 2/3 if `adversary` is `active` (Bonawitz et al. 2017).
        neighbours: number of clients with which each client shares secrets, half of them on each side in a ring that is
            redrawn in every round; even. `all` uses all other clients. None takes the smallest number for which a round
            leaks with a probability of at most 2**-security and fails with at most 2**-correctness (Bell et al. 2020).
        adversary: aggregator that the corrupt clients collude with; `semi_honest` follows the protocol, `active`
            deviates from it once it has handed out the clients' keys.
        corrupt: share of the clients assumed to collude with the aggregator, in [0, 1).
        dropped: share of the clients assumed to drop out of a round, in [0, 1).
        security: bits of security against a leak by an unlucky draw of the ring.
        correctness: bits of security against a round that fails because too few clients are left.
        consistency: whether the clients compare the lists of survivors before they reveal shares.
        largest: maximum magnitude of a weighted value; a client that exceeds it does not take part in the round.
        bits: bits per masked value.
    """

    error = 1e-6

    def __init__(
        self,
        threshold: Annotated[float, Gt(0.5), Le(1)] | None = None,
        neighbours: Annotated[Count, Ge(2)] | Literal["all"] | None = None,
        adversary: Adversary = "semi_honest",
        corrupt: ShareBelowOne = 0.05,
        dropped: ShareBelowOne = 0.05,
        security: Positive = 40.0,
        correctness: Positive = 30.0,
        consistency: bool = True,
        largest: Positive = 8.0,
        bits: Literal[32, 64] = 32,
    ) -> None:
        if isinstance(neighbours, int) and neighbours % 2:
            raise ValueError(f"neighbours={neighbours} must be even: half of them to each side in a ring")
        self.threshold, self.neighbours, self.largest, self.bits = threshold, neighbours, largest, bits
        self.adversary, self.corrupt, self.dropped = adversary, corrupt, dropped
        self.security, self.correctness, self.consistency = security, correctness, consistency
        assumed = Assumptions(adversary, corrupt, dropped, security, correctness)
        self.policy = SharingPolicy(threshold, neighbours, consistency, assumed)

    def largest_value(self, clients: int) -> float:
        """Return the maximum magnitude of a value times its client's weight that a message can hold."""
        return self.largest

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create the parties. `seeds` draw the ring of neighbours; keys are generated in every round."""
        import_encryption()  # here, so that the import does not count towards the time of a round
        ring = self.build_ring(clients)
        parties = [SecaggClient(number, ring, self.consistency) for number in range(clients)]
        transport = Transport({client.number: client.answer for client in parties})
        rng = np.random.default_rng(seeds)
        return list(parties), SecaggAggregator(transport, ring, self.policy, rng)

    def describe_trust(self, clients: int) -> str:
        """Return what the clients must trust, and which published bounds the settings miss."""
        return self.policy.describe_trust(clients)

    def build_ring(self, clients: int) -> Ring:
        """Return the ring of integers to which values are quantised."""
        return Ring(clients, self.largest, self.bits)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return 0 for a message, and an upper bound of the mean's error: half a quantisation step per client."""
        return 0.0, len(weights) * self.build_ring(len(weights)).step / 2 / sum(weights)
