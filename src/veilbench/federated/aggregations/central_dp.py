"""Central differential privacy: a trusted aggregator, which sees every update, adds noise to the sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import clip_update
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient, parse_values
from veilbench.federated.aggregations.releases import Releases


class NoisyAggregator(PlainAggregator):
    """Clips the updates, sums them, and adds noise scaled to the largest weight.

    Args:
        clip: maximum Euclidean norm of an update; longer ones are scaled down.
        noise_multiplier: standard deviation of the noise in units of the sensitivity.
        rng: generator of the noise.
    """

    def __init__(self, clip: float, noise_multiplier: float, rng: np.random.Generator) -> None:
        super().__init__(np.float32)
        self.clip, self.noise_multiplier, self.rng = clip, noise_multiplier, rng

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        clipped = [clip_update(parse_values(payload, self.dtype, size), self.clip) for payload in payloads]
        total = np.sum([w * u for w, u in zip(weights, clipped, strict=True)], axis=0)
        sensitivity = max(weights) * self.clip
        return bytes((total + self.rng.normal(0, self.noise_multiplier * sensitivity, size)).tobytes())


class CentralDp(Gaussian):
    """Client-level differential privacy against all parties except the aggregator (McMahan et al. 2018).

    Two federations are neighbours if one client's update is replaced by zeros; the weights are public and unchanged.
    The noise is scaled to the largest weight of the round, so clients with smaller weights have a lower epsilon than
    `epsilon` returns. The aggregator does the clipping, so the guarantee does not depend on the clients. The arguments
    are those of `Gaussian`; the noise is in units of the largest weight times `clip`.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create plain clients and an aggregator that adds the noise; there are no keys."""
        aggregator = NoisyAggregator(self.clip, self.noise_multiplier, np.random.default_rng(seeds))
        return [PlainClient(np.float32) for _ in range(clients)], aggregator

    def client_releases(self, rounds: int) -> Releases:
        """Return the means of all rounds."""
        return Releases(self.noise_multiplier, rounds)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return the standard deviations of the noise in a message, which is 0, and in the mean."""
        return 0.0, self.noise_multiplier * self.clip * max(weights) / sum(weights)

    def example_releases(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> Releases:
        """Return the means; one example can reverse a clipped update, a sensitivity of 2 * clip."""
        return Releases(self.noise_multiplier / 2, rounds)
