"""Additions to Flower's strategies for differential privacy: an accountant, and a seed of the noise."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from veilbench.bench.limits import Delta, require_value
from veilbench.federated.aggregations.noise import gaussian_epsilon
from veilbench.federated.flower_library import flower


class OpacusAccountant:
    """An accountant based on Opacus, instead of Flower's own, which needs the package dp-accounting.

    Clients that were not sampled in a round are counted as if they had been: there is no privacy amplification.

    Args:
        delta: delta of (epsilon, delta)-differential privacy, in the range of `bench.limits.Delta`.
        clients: number of clients from which rounds are sampled.

    Raises:
        ValueError: delta is out of range.
    """

    def __init__(self, delta: float, clients: int) -> None:
        require_value(Delta, delta, "delta")
        known = flower("supercore.privacy_accounting")
        sampling, neighbours = known.SamplingMethod.NO_AMPLIFICATION, known.NeighboringRelation.ADD_OR_REMOVE_ONE
        self.config = known.PrivacyConfig(delta, clients, neighbours, sampling)
        self.noise_multiplier, self.num_releases = math.inf, 0

    def compose(self, event: Any, count: int = 1) -> None:
        """Add `count` releases; if their noise differs, the smallest noise multiplier is used for all."""
        self.noise_multiplier = min(self.noise_multiplier, event.noise_multiplier)
        self.num_releases += count

    def get_epsilon(self, delta: float) -> float:
        """Return the epsilon of all releases so far."""
        return gaussian_epsilon(self.noise_multiplier, self.num_releases, delta) if self.num_releases else 0.0

    def get_privacy_spent(self, delta: float | None = None) -> Any:
        """Return the privacy spent so far in Flower's format; `delta` defaults to that of the accountant."""
        asked = self.config.target_delta if delta is None else delta
        spent = flower("supercore.privacy_accounting").PrivacySpent
        return spent(self.get_epsilon(asked), asked, self.num_releases, "rdp")


@contextmanager
def flower_draws(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and NumPy, from which Flower draws clients and noise.

    NumPy's generator is restored afterwards. A Mersenne Twister whose seed is known to all nodes is suitable for
    experiments only: its noise gives no real protection.
    """
    before = np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
