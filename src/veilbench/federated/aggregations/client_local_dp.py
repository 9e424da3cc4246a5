"""Client-level local differential privacy: every client adds noise to its update before it sends it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.noise import clip_update
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient
from veilbench.federated.aggregations.releases import Releases


class NoisyClient(PlainClient):
    """Clips its update and adds noise to it.

    Args:
        clip: maximum Euclidean norm of the update; a longer one is scaled down.
        deviation: standard deviation of the noise per value.
        rng: generator of the noise.
    """

    def __init__(self, clip: float, deviation: float, rng: np.random.Generator) -> None:
        super().__init__(np.float32)
        self.clip, self.deviation, self.rng = clip, deviation, rng

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        noisy = clip_update(update, self.clip) + self.rng.normal(0, self.deviation, len(update))
        return super()._protect(noisy, weight)


class ClientLocalDp(Gaussian):
    """Local differential privacy of a client's whole update, against all other parties including the aggregator.

    Any two clipped updates differ by at most 2 * clip in norm, the sensitivity used for `epsilon`. The arguments are
    those of `Gaussian`; the noise is in units of `clip`. `ExampleDp` protects single examples instead.
    """

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create clients with independent noise and a plain aggregator; there are no keys."""
        deviation, generators = self.noise_multiplier * self.clip, map(np.random.default_rng, seeds.spawn(clients))
        return [NoisyClient(self.clip, deviation, rng) for rng in generators], PlainAggregator(np.float32)

    def client_releases(self, rounds: int) -> Releases:
        """Return a client's updates of all rounds, which do not depend on the other clients."""
        return Releases(self.noise_multiplier / 2, rounds)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return the standard deviations of the noise in a message and in the mean."""
        each, shares = self.noise_multiplier * self.clip, np.asarray(weights) / np.sum(weights)
        return each, each * float(np.sqrt((shares**2).sum()))

    def example_releases(self, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]) -> Releases:
        """Return the client's releases, whose epsilon also bounds that of one example."""
        return self.client_releases(rounds)
