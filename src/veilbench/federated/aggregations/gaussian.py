"""What the aggregations with differential privacy share: they clip, add Gaussian noise, and count its worth."""

from __future__ import annotations

from veilbench.bench.limits import Delta, NoiseMultiplier, Positive
from veilbench.federated.aggregations.base import Aggregation


class Gaussian(Aggregation):
    """Clipping to a Euclidean norm, and noise in units of that norm.

    The noise comes from a seeded generator: it repeats, for experiments, and is none to rely on elsewhere.

    Args:
        clip: the largest Euclidean norm.
        noise_multiplier: the noise's standard deviation per value, in units that the subclass states.
        delta: of (epsilon, delta).
    """

    error = None

    def __init__(
        self,
        clip: Positive = 1.0,
        noise_multiplier: NoiseMultiplier = 1.0,
        delta: Delta = 1e-5,
    ) -> None:
        self.clip, self.noise_multiplier, self.delta = clip, noise_multiplier, delta
