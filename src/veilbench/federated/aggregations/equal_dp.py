"""Central differential privacy with equal client weights, as Flower's own strategies require."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from veilbench.bench.limits import Delta, NoiseMultiplier, Positive
from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.central_dp import CentralDp, NoisyAggregator
from veilbench.federated.aggregations.noise import clip_update
from veilbench.federated.aggregations.plain import PlainClient, numbers


class ClippingClient(PlainClient):
    """Clips its update and sends it without noise.

    Args:
        clip: maximum Euclidean norm of an update; longer ones are scaled down.
    """

    def __init__(self, clip: float) -> None:
        super().__init__(np.float32)
        self.clip = clip

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        return super()._protect(clip_update(update, self.clip), weight)


class EqualAggregator(NoisyAggregator):
    """Adds noise to the unweighted mean of the updates.

    Args:
        clip: maximum Euclidean norm of an update; longer ones are scaled down.
        noise_multiplier: standard deviation of the noise in units of the sensitivity.
        rng: generator of the noise.
        clips: whether the aggregator clips the updates it receives.
    """

    def __init__(self, clip: float, noise_multiplier: float, rng: np.random.Generator, clips: bool) -> None:
        super().__init__(clip, noise_multiplier, rng)
        self.clips = clips

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        read = [numbers(payload, self.dtype, size) for payload in payloads]
        mean = np.mean([clip_update(update, self.clip) for update in read] if self.clips else read, axis=0)
        noise = self.rng.normal(0, self.noise_multiplier * self.clip / len(read), size)
        return bytes(((mean + noise) * sum(weights)).tobytes())


class EqualDp(CentralDp):
    """Client-level differential privacy against all parties except the aggregator, with an unweighted mean.

    If one of n clipped updates becomes zero, their mean moves by at most clip / n, however many mails the client has;
    the noise is in units of that. With clients of unequal size, less noise is needed than in `CentralDp` for the same
    epsilon.

    Args:
        clip: maximum Euclidean norm of an update; longer ones are scaled down.
        noise_multiplier: standard deviation of the noise per value of the mean, in units of clip / n.
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1); below 1 / clients to be meaningful.
        clips: which side clips: the `server`, or each `client`. With `client`, epsilon only holds if all clients clip,
            and one that does not can corrupt the mean.
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
        """Create the clients and an aggregator that adds the noise; there are no keys."""
        at_server, rng = self.clips == "server", np.random.default_rng(seeds)
        own = [PlainClient(np.float32) if at_server else ClippingClient(self.clip) for _ in range(clients)]
        return list(own), EqualAggregator(self.clip, self.noise_multiplier, rng, at_server)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return the noise of a message, which is 0, and of the mean, which does not depend on the weights."""
        return 0.0, self.noise_multiplier * self.clip / len(weights)
