"""Clipping, and privacy accounting of Gaussian noise."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.limits import Delta, PositiveShare, require_value

MOST_NOISE = 1e12  # the square of a larger value overflows


def clip_update(update: np.ndarray, norm: float) -> np.ndarray:
    """Scale the update down to a maximum Euclidean norm."""
    length = float(np.linalg.norm(update))
    return update * (norm / length) if length > norm else update


def count_steps(size: int, batch_size: int) -> int:
    """Return the number of steps per epoch, ceil(size / batch_size), at least 1.

    Every step samples each example with probability 1 / steps.

    Args:
        size: number of examples of the client.
        batch_size: upper bound of the expected batch size.
    """
    return max(1, -(-size // batch_size))


def gaussian_epsilon(noise_multiplier: float, releases: int, delta: float, sample_rate: float = 1.0) -> float:
    """Compute the epsilon of composed Gaussian releases by Opacus' accountant for Renyi differential privacy.

    Renyi differential privacy is due to Mironov 2017; with subsampling, to Mironov, Talwar and Zhang 2019.

    Args:
        noise_multiplier: standard deviation of the noise in units of the sensitivity; 0 for no noise.
        releases: number of noisy releases that are composed.
        delta: delta of (epsilon, delta)-differential privacy, in the range of `bench.limits.Delta`.
        sample_rate: probability that a release includes an example, drawn independently per example (Poisson sampling).

    Returns:
        Epsilon, at least 0; infinite without noise.

    Raises:
        ValueError: an argument is out of its range.
    """
    require_value(Delta, delta, "delta")
    require_value(PositiveShare, sample_rate, "sample_rate")
    require_value(Annotated[float, Ge(0), Le(MOST_NOISE)], noise_multiplier, "noise_multiplier")
    require_value(Annotated[int, Ge(0)], releases, "releases")
    if not releases:
        return 0.0
    if not noise_multiplier:
        return math.inf
    import warnings

    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, releases)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is the")  # the bound holds at any order
        epsilon = float(accountant.get_epsilon(delta=delta))
    return max(0.0, epsilon)  # Opacus' bound is negative if delta alone suffices for this noise
