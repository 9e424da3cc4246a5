"""The aggregator adds noise to the sum: it must be trusted, for it sees every update."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import clipped, gaussian_epsilon
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient, numbers


class NoisyAggregator(PlainAggregator):
    """Clips what it receives, adds, and adds noise for the client with the largest weight.

    Args:
        clip: the largest Euclidean norm.
        noise_multiplier: the noise's standard deviation in units of the sensitivity.
        rng: draws the noise.
    """

    def __init__(self, clip: float, noise_multiplier: float, rng: np.random.Generator) -> None:
        super().__init__(np.float32)
        self.clip, self.noise_multiplier, self.rng = clip, noise_multiplier, rng

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        short = [clipped(numbers(payload, self.dtype, size), self.clip) for payload in payloads]
        total = np.sum([w * u for w, u in zip(weights, short, strict=True)], axis=0)
        sensitivity = max(weights) * self.clip
        return bytes((total + self.rng.normal(0, self.noise_multiplier * sensitivity, size)).tobytes())


class CentralDp(Gaussian):
    """Differential privacy of one client against everybody but the aggregator (McMahan et al. 2018).

    Two federations are neighbours where one client's update is replaced by zeros; weights are public and stay as they
    are. The noise fits the largest weight of the round, and those with less are hidden better than `epsilon` says.
    The aggregator clips, so that a client that does not is no danger to the others. The arguments are those of
    `Gaussian`, the noise in units of the largest weighted norm.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`: the aggregator has the noise."""
        aggregator = NoisyAggregator(self.clip, self.noise_multiplier, np.random.default_rng(seeds))
        return [PlainClient(np.float32) for _ in range(clients)], aggregator

    def epsilon(self, rounds: int) -> float:
        """Of a client's part in all the sums."""
        return gaussian_epsilon(self.noise_multiplier, rounds, self.delta)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """See `Aggregation.noise`."""
        return 0.0, self.noise_multiplier * self.clip * max(weights) / sum(weights)

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float:
        """See `Aggregation.example_epsilon`: one example can turn a clipped update round, which is twice `clip`."""
        return gaussian_epsilon(self.noise_multiplier / 2, rounds, self.delta)
