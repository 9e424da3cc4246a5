"""Secure aggregation (Bonawitz et al. 2017, Bell et al. 2020) on Flower's primitives: masks that cancel in the sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from veilbench.bench.limits import Count, Positive
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator
from veilbench.federated.aggregations.secagg_client import SecaggClient, flower_encryption
from veilbench.federated.aggregations.secagg_masks import Ring
from veilbench.federated.aggregations.secagg_post import Post


class Secagg(Aggregation):
    """SecAgg+ as Flower has it, in four phases of a round: keys, shares, masked updates, unmasking.

    Flower's workflow takes its older API alone, so that the protocol is written out here, on Flower's key agreement
    (ECDH over P-384, HKDF), Shamir's shares and encryption. Two parts of Flower 1.41 are not taken over. Its masks come
    from the Mersenne Twister, seeded with the 32 bits that its 256-bit secret is folded to: 2**32 tries, or linear
    algebra on known zeros, undo them; here it is AES-256 in counter mode. Its quantisation draws at random; here it is
    to the nearest, so that the mean repeats to the last digit whatever the keys are.

    The aggregator learns the sum, and who took part. It is trusted to keep to the protocol and to hand on the keys that
    it was sent: with keys of its own making in their place it would be the neighbour of everybody. Clients below the
    threshold that collude with it learn no update of another; a sum of two clients is known to each of the two.

    Args:
        threshold: share of a neighbourhood, the client itself included, that must be there to unmask.
        neighbours: that a client shares secrets with, drawn anew in each round, half of them to each side in a ring;
            an even number. None: all the others.
        largest: magnitude of a weighted value; a client with a larger one leaves itself out.
        bits: of a number on the wire.
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
        """See `Aggregation.setup`: keys are made in each round, see `Aggregator.begin`; the seeds draw the ring."""
        flower_encryption()  # loaded here, so that no round is charged for it
        ring = self.ring(clients)
        own = [SecaggClient(number, ring) for number in range(clients)]
        post = Post({client.number: client.answer for client in own})
        rng = np.random.default_rng(seeds)
        return list(own), SecaggAggregator(post, ring, self.threshold, self.neighbours, rng)

    def ring(self, clients: int) -> Ring:
        """What numbers are quantised to."""
        return Ring(clients, self.largest, self.bits)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """See `Aggregation.noise`: no more than every client's half a step."""
        return 0.0, len(weights) * self.ring(len(weights)).step / 2 / sum(weights)
