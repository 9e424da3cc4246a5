"""Every client adds noise to its whole update before anything leaves it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import clipped, gaussian_epsilon
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient


class NoisyClient(PlainClient):
    """Clips its update and adds noise to it.

    Args:
        clip: the largest Euclidean norm.
        deviation: of the noise, per value.
        rng: draws the noise.
    """

    def __init__(self, clip: float, deviation: float, rng: np.random.Generator) -> None:
        super().__init__(np.float32)
        self.clip, self.deviation, self.rng = clip, deviation, rng

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        noisy = clipped(update, self.clip) + self.rng.normal(0, self.deviation, len(update))
        return super()._protect(noisy, weight)


class UpdateDp(Gaussian):
    """Local differential privacy of a client's whole update, against everybody, the aggregator included.

    Any two clipped updates lie at most 2 * clip apart, which is the sensitivity that `epsilon` counts with. The
    arguments are those of `Gaussian`, the noise in units of `clip`. See `LocalDp` for noise on single examples.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`: each client has its own noise."""
        deviation, draws = self.noise_multiplier * self.clip, map(np.random.default_rng, seeds.spawn(clients))
        return [NoisyClient(self.clip, deviation, rng) for rng in draws], PlainAggregator(np.float32)

    def epsilon(self, rounds: int) -> float:
        """Of a client's updates over all rounds, whatever the others do."""
        return gaussian_epsilon(self.noise_multiplier / 2, rounds, self.delta)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """See `Aggregation.noise`."""
        each, shares = self.noise_multiplier * self.clip, np.asarray(weights) / np.sum(weights)
        return each, each * float(np.sqrt((shares**2).sum()))

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float:
        """See `Aggregation.example_epsilon`: an example is a part of a client's update."""
        return self.epsilon(rounds)
