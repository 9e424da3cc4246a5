"""Central differential privacy with equal client weights, as Flower's own strategies require."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from veilbench.bench.limits import Delta, NoiseMultiplier, Positive
from veilbench.federated.aggregations.base import Aggregator, Client
from veilbench.federated.aggregations.central_dp import CentralDp, NoisyAggregator
from veilbench.federated.aggregations.noise import clip_update
from veilbench.federated.aggregations.plain import PlainClient, parse_values


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
        updates = [parse_values(payload, self.dtype, size) for payload in payloads]
        mean = np.mean([clip_update(update, self.clip) for update in updates] if self.clips else updates, axis=0)
        noise = self.rng.normal(0, self.noise_multiplier * self.clip / len(updates), size)
        return bytes(((mean + noise) * sum(weights)).tobytes())


class EqualDp(CentralDp):
    """Client-level differential privacy against all parties except the aggregator, with an unweighted mean.

    If one of n clipped updates becomes zero, their mean changes by at most clip / n, independently of the client's
    number of examples. The noise is in units of this sensitivity. For clients of unequal size, `CentralDp` needs more
    noise for the same epsilon.

    Args:
        clip: maximum Euclidean norm of an update; longer ones are scaled down.
        noise_multiplier: standard deviation of the noise per value of the mean, in units of clip / n.
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1); below 1 / clients to be meaningful.
        clips: side that clips: the `server`, or each `client`. With `client`, epsilon holds only if all clients clip,
            and a client that does not clip can corrupt the mean.
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
        parties = [PlainClient(np.float32) if at_server else ClippingClient(self.clip) for _ in range(clients)]
        return list(parties), EqualAggregator(self.clip, self.noise_multiplier, rng, at_server)

    def noise(self, weights: Sequence[float]) -> tuple[float, float]:
        """Return the standard deviations of the noise in a message, which is 0, and in the mean."""
        return 0.0, self.noise_multiplier * self.clip / len(weights)
