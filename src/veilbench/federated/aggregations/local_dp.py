"""Every client adds noise of its own before anything leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt

from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
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


class LocalDp(Aggregation):
    """Local differential privacy of a client's whole update, against everybody, the aggregator included.

    Any two clipped updates lie at most 2 * clip apart, which is the sensitivity that `epsilon` counts with. The noise
    comes from NumPy's seeded generator: it repeats, for experiments, and is none to rely on elsewhere.

    Args:
        clip: the largest Euclidean norm of an update.
        noise_multiplier: the noise's standard deviation per value, in units of `clip`.
        delta: of (epsilon, delta).
    """

    error = None

    def __init__(
        self,
        clip: Annotated[float, Gt(0)] = 1.0,
        noise_multiplier: Annotated[float, Gt(0)] = 1.0,
        delta: Annotated[float, Gt(0), Lt(1)] = 1e-5,
    ) -> None:
        self.clip, self.noise_multiplier, self.delta = clip, noise_multiplier, delta

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`: each client has its own noise."""
        draws = (np.random.default_rng(seed) for seed in seeds.spawn(clients))
        return [NoisyClient(self.clip, self.noise_multiplier * self.clip, r) for r in draws], PlainAggregator(
            np.float32
        )

    def epsilon(self, rounds: int) -> float:
        """Of a client's updates over all rounds, whatever the others do."""
        return gaussian_epsilon(self.noise_multiplier / 2, rounds, self.delta)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """See `Aggregation.noise`."""
        each, shares = self.noise_multiplier * self.clip, np.asarray(weights) / np.sum(weights)
        return each, each * float(np.sqrt((shares**2).sum()))

    def mail_epsilon(self, rounds: int) -> float:
        """See `Aggregation.mail_epsilon`: a mail is a part of a client's update."""
        return self.epsilon(rounds)
