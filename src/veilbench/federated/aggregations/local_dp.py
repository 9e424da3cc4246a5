"""Every client clips and adds noise within its local training, example by example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client, ExampleNoise
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import gaussian_epsilon, steps_of
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient


class LocalDp(Gaussian):
    """Differential privacy of one example against everybody, the aggregator included: local DP-SGD (Abadi et al. 2016).

    Clients train by `federated.private_steps`, which is Opacus', and send what they have learned as it is: the noise
    is in it. Neighbours are two federations of which one has one example more, the clients' weights and rates of
    sampling being public and the same. A client as a whole, with all its examples, is not hidden: `epsilon` is None.

    The arguments are those of `Gaussian`: `clip` is of one example's gradient, and the noise, in units of `clip`, is
    added to the sum of a step's gradients.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`; there are no keys, and the noise is the local training's."""
        return [PlainClient(np.float32) for _ in range(clients)], PlainAggregator(np.float32)

    def example_noise(self) -> ExampleNoise:
        """See `Aggregation.example_noise`."""
        return ExampleNoise(self.clip, self.noise_multiplier)

    def example_epsilon(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> float:
        """See `Aggregation.example_epsilon`: of the client with the fewest examples, who samples them most often."""
        steps = min(steps_of(size, batch_size) for size in sizes)
        return gaussian_epsilon(self.noise_multiplier, rounds * local_epochs * steps, self.delta, 1 / steps)

    def noise(self, weights: Sequence[float]) -> None:
        """See `Aggregation.noise`: it is spread over the steps of the optimizer."""
        return
