"""Example-level differential privacy: clients train with DP-SGD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client, ExampleNoise
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import count_steps
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient
from veilbench.federated.aggregations.releases import Releases


class ExampleDp(Gaussian):
    """Example-level differential privacy against all other parties, including the aggregator, by local DP-SGD.

    DP-SGD is described in Abadi et al. 2016. Clients train by `federated.private_steps`, which uses Opacus, and send
    their updates unprotected, since these already contain the noise. Every client declares its number of examples,
    which is public: its weight, its sampling rate and the divisor of its gradients follow from it. Two federations are
    neighbours if one lacks an example of the other, and their declared numbers are the same. There is no client-level
    privacy, so `epsilon` is None.

    The arguments are those of `Gaussian`: `clip` limits the norm of each per-example gradient, and the noise, in units
    of `clip`, is added to the sum of a step's gradients.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create plain clients and a plain aggregator; there are no keys."""
        return [PlainClient(np.float32) for _ in range(clients)], PlainAggregator(np.float32)

    def example_noise(self) -> ExampleNoise:
        """Return the clipping and noise of the local steps."""
        return ExampleNoise(self.clip, self.noise_multiplier)

    def example_releases(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> Releases:
        """Return the steps of the client that declares the fewest examples: its sampling rate is the highest."""
        steps = min(count_steps(size, batch_size) for size in sizes)
        return Releases(self.noise_multiplier, rounds * local_epochs * steps, 1 / steps)

    def noise(self, weights: Sequence[float]) -> None:
        """Return None: the noise is added in the optimizer steps and is part of the updates."""
        return
