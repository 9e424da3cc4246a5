"""Additions to Flower's strategies for differential privacy: an accountant, and seeding of the noise."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from veilbench.bench.limits import Delta, require_value
from veilbench.federated.aggregations.releases import Releases
from veilbench.federated.flower_library import import_flower


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
        accounting = import_flower("supercore.privacy_accounting")
        sampling = accounting.SamplingMethod.NO_AMPLIFICATION
        neighbours = accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
        self.config = accounting.PrivacyConfig(delta, clients, neighbours, sampling)
        self.noise_multiplier, self.num_releases = math.inf, 0

    def compose(self, event: Any, count: int = 1) -> None:
        """Add `count` releases; if noise multipliers differ, the smallest one is used for all releases."""
        self.noise_multiplier = min(self.noise_multiplier, event.noise_multiplier)
        self.num_releases += count

    def get_epsilon(self, delta: float) -> float:
        """Return the epsilon of all releases so far."""
        return Releases(self.noise_multiplier, self.num_releases).epsilon(delta) if self.num_releases else 0.0

    def get_privacy_spent(self, delta: float | None = None) -> Any:
        """Return the privacy spent so far in Flower's format; `delta` defaults to that of the accountant."""
        target_delta = self.config.target_delta if delta is None else delta
        privacy_spent = import_flower("supercore.privacy_accounting").PrivacySpent
        return privacy_spent(self.get_epsilon(target_delta), target_delta, self.num_releases, "rdp")


@contextmanager
def seed_flower(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and NumPy, from which Flower draws clients and noise.

    NumPy's generator is restored at the end of the block. This is for experiments only: all nodes know the seed of the
    Mersenne Twister, so that its noise gives no real protection.
    """
    before = np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
