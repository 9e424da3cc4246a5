"""Central differential privacy: a trusted aggregator, which sees every update, adds noise to the sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import clip_update, gaussian_epsilon
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient, numbers


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
        short = [clip_update(numbers(payload, self.dtype, size), self.clip) for payload in payloads]
        total = np.sum([w * u for w, u in zip(weights, short, strict=True)], axis=0)
        sensitivity = max(weights) * self.clip
        return bytes((total + self.rng.normal(0, self.noise_multiplier * sensitivity, size)).tobytes())


class CentralDp(Gaussian):
    """Client-level differential privacy against all parties except the aggregator (McMahan et al. 2018).

    Two federations are neighbours if one client's update is replaced by zeros; the weights are public and unchanged.
    The noise is scaled to the largest weight of the round; clients with smaller weights have more privacy than
    `epsilon` states. Clipping is done by the aggregator, so a client that does not clip cannot harm the others'
    privacy. The arguments are those of `Gaussian`; the noise is in units of the largest weighted norm.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create plain clients and an aggregator that adds the noise; there are no keys."""
        aggregator = NoisyAggregator(self.clip, self.noise_multiplier, np.random.default_rng(seeds))
        return [PlainClient(np.float32) for _ in range(clients)], aggregator

    def epsilon(self, rounds: int) -> float:
        """Return the client-level epsilon after a number of rounds."""
        return gaussian_epsilon(self.noise_multiplier, rounds, self.delta)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return the noise of a message, which is 0, and of the mean, as standard deviations per value."""
        return 0.0, self.noise_multiplier * self.clip * max(weights) / sum(weights)

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float:
        """Return the example-level epsilon: one example can flip a clipped update, a sensitivity of twice `clip`."""
        return gaussian_epsilon(self.noise_multiplier / 2, rounds, self.delta)
