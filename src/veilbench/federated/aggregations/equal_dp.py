"""Central differential privacy in which every client counts the same, as Flower's own strategies need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from veilbench.bench.limits import Delta, NoiseMultiplier, Positive
from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.central_dp import CentralDp, NoisyAggregator
from veilbench.federated.aggregations.noise import clipped
from veilbench.federated.aggregations.plain import PlainClient, numbers


class ClippingClient(PlainClient):
    """Sends its update clipped, and without noise.

    Args:
        clip: the largest Euclidean norm.
    """

    def __init__(self, clip: float) -> None:
        super().__init__(np.float32)
        self.clip = clip

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        return super()._protect(clipped(update, self.clip), weight)


class EqualAggregator(NoisyAggregator):
    """Adds noise to the mean of the updates, whatever weights they come with.

    Args:
        clip: the largest Euclidean norm.
        noise_multiplier: the noise's standard deviation in units of the sensitivity.
        rng: draws the noise.
        clips: whether it clips what it receives.
    """

    def __init__(self, clip: float, noise_multiplier: float, rng: np.random.Generator, clips: bool) -> None:
        super().__init__(clip, noise_multiplier, rng)
        self.clips = clips

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        read = [numbers(payload, self.dtype, size) for payload in payloads]
        mean = np.mean([clipped(update, self.clip) for update in read] if self.clips else read, axis=0)
        noise = self.rng.normal(0, self.noise_multiplier * self.clip / len(read), size)
        return bytes(((mean + noise) * sum(weights)).tobytes())


class EqualDp(CentralDp):
    """Differential privacy of one client against everybody but the aggregator, by an unweighted mean.

    A mean of n clipped updates moves by at most clip / n where one becomes zero, however many mails its client has, and
    the noise is in units of that. With clients of unequal size it is less than `CentralDp` needs for the same epsilon.

    Args:
        clip: the largest Euclidean norm.
        noise_multiplier: the noise's standard deviation per value of the mean, in units of clip / n.
        delta: of (epsilon, delta).
        clips: who clips: the `server` what it receives, or each `client` its own update; then the epsilon is that of
            clients who do so, and a client that does not can spoil the mean.
    """

    def __init__(
        self,
        clip: Positive = 1.0,
        noise_multiplier: NoiseMultiplier = 1.0,
        delta: Delta = 1e-5,
        clips: Literal["server", "client"] = "server",
    ) -> None:
        super().__init__(clip, noise_multiplier, delta)
        self.clips = clips

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """See `Aggregation.setup`: the aggregator has the noise."""
        at_server, rng = self.clips == "server", np.random.default_rng(seeds)
        own = [PlainClient(np.float32) if at_server else ClippingClient(self.clip) for _ in range(clients)]
        return list(own), EqualAggregator(self.clip, self.noise_multiplier, rng, at_server)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """See `Aggregation.noise`; the weights do not matter."""
        return 0.0, self.noise_multiplier * self.clip / len(weights)
