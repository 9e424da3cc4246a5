"""Base class of the aggregations with differential privacy by clipping and Gaussian noise."""

from __future__ import annotations

from veilbench.bench.limits import Delta, NoiseMultiplier, Positive
from veilbench.federated.aggregations.base import Aggregation


class Gaussian(Aggregation):
    """Clipping to a maximum Euclidean norm, and Gaussian noise in units of that norm.

    The noise comes from a seeded generator, so that experiments are reproducible. It is not cryptographically secure
    and must not be used to protect real data.

    Args:
        clip: maximum Euclidean norm; longer vectors are scaled down.
        noise_multiplier: standard deviation of the noise per value, in units that the subclass states.
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1).
    """

    error = None

    def __init__(
        self,
        clip: Positive = 1.0,
        noise_multiplier: NoiseMultiplier = 1.0,
        delta: Delta = 1e-5,
    ) -> None:
        self.clip, self.noise_multiplier, self.delta = clip, noise_multiplier, delta
