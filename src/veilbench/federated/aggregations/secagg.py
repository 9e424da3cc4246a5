"""Secure aggregation (Bonawitz et al. 2017, Bell et al. 2020) with Flower's primitives: masks cancel in the sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from veilbench.bench.limits import Count, Positive
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator
from veilbench.federated.aggregations.secagg_client import SecaggClient, import_encryption
from veilbench.federated.aggregations.secagg_masks import Ring
from veilbench.federated.aggregations.secagg_transport import Transport


class Secagg(Aggregation):
    """SecAgg+ as in Flower, in four phases per round: keys, shares, masked updates, unmasking.

    Flower's workflow supports only its older API, so the protocol is implemented here with Flower's key agreement
    (ECDH over P-384, HKDF), Shamir secret sharing and encryption. Two parts of Flower 1.41 are replaced:

    - Flower's masks come from the Mersenne Twister, whose seed is reduced from 256 to 32 bits. They can be removed by
      2**32 trials, or by linear algebra if some values are known to be zero. Here, masks come from AES-256 in counter
      mode.
    - Flower's quantisation is stochastic. Here, values are rounded to the nearest integer, so that the mean does not
      depend on the random keys.

    The aggregator learns the sum and which clients took part. It must be honest-but-curious: if it replaced the
    clients' public keys by its own, it could remove every mask. Clients that collude with the aggregator learn no other
    client's update if they are fewer than the threshold. In a sum of two clients, each client can compute the other's
    update.

    Args:
        threshold: share of a neighbourhood, including the client itself, that must respond for unmasking; in (0.5, 1].
        neighbours: number of clients with which each client shares secrets, half of them on each side in a ring that is
            redrawn in every round; even. None uses all other clients.
        largest: maximum magnitude of a weighted value; a client that exceeds it does not take part in the round.
        bits: bits per masked value.
    """

    error = 1e-6

    def __init__(
        self,
        threshold: Annotated[float, Gt(0.5), Le(1)] = 0.6,
        neighbours: Annotated[Count, Ge(2)] | None = None,
        largest: Positive = 8.0,
        bits: Literal[32, 64] = 32,
    ) -> None:
        if neighbours is not None and neighbours % 2:
            raise ValueError(f"neighbours={neighbours} must be even: half of them to each side in a ring")
        self.threshold, self.neighbours, self.largest, self.bits = threshold, neighbours, largest, bits

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create the parties. `seeds` draw the ring of neighbours; keys are generated in every round."""
        import_encryption()  # here, so that the import does not count towards the time of a round
        ring = self.build_ring(clients)
        parties = [SecaggClient(number, ring) for number in range(clients)]
        transport = Transport({client.number: client.answer for client in parties})
        rng = np.random.default_rng(seeds)
        return list(parties), SecaggAggregator(transport, ring, self.threshold, self.neighbours, rng)

    def build_ring(self, clients: int) -> Ring:
        """Return the ring of integers to which values are quantised."""
        return Ring(clients, self.largest, self.bits)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return 0 for a message, and an upper bound of the mean's error: half a quantisation step per client."""
        return 0.0, len(weights) * self.build_ring(len(weights)).step / 2 / sum(weights)
