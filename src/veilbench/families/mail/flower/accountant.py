"""What Flower's strategies for differential privacy take from us: an accountant, and a seed for their noise."""

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
    """Counts Flower's releases by Opacus, in place of Flower's own accountant (which needs the package dp-accounting).

    A client that was not drawn for a round is counted as if it had been.

    Args:
        delta: of (epsilon, delta).
        clients: that rounds are drawn from.

    Raises:
        ValueError: the delta is out of its range.
    """

    def __init__(self, delta: float, clients: int) -> None:
        require_value(Delta, delta, "delta")
        known = flower("supercore.privacy_accounting")
        sampling, neighbours = known.SamplingMethod.NO_AMPLIFICATION, known.NeighboringRelation.ADD_OR_REMOVE_ONE
        self.config = known.PrivacyConfig(delta, clients, neighbours, sampling)
        self.noise_multiplier, self.num_releases = math.inf, 0

    def compose(self, event: Any, count: int = 1) -> None:
        """`count` releases more; where they differ in their noise, all are counted with the least."""
        self.noise_multiplier = min(self.noise_multiplier, event.noise_multiplier)
        self.num_releases += count

    def get_epsilon(self, delta: float) -> float:
        """Of all releases so far."""
        return gaussian_epsilon(self.noise_multiplier, self.num_releases, delta) if self.num_releases else 0.0

    def get_privacy_spent(self, delta: float | None = None) -> Any:
        """The same in Flower's form."""
        asked = self.config.target_delta if delta is None else delta
        spent = flower("supercore.privacy_accounting").PrivacySpent
        return spent(self.get_epsilon(asked), asked, self.num_releases, "rdp")


@contextmanager
def flower_draws(seed: int) -> Iterator[None]:
    """Let Flower draw clients and noise by a seed: it takes them from the global generators of Python and NumPy.

    NumPy's is left as it was. A Mersenne Twister with a seed that every node is told: for experiments, no noise to rely
    on.
    """
    before = np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
