"""Clipping, Gaussian noise, and what they are worth."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.limits import Delta, PositiveShare, require_value

MOST_NOISE = 1e12  # squares of more do not fit into a float


def clipped(update: np.ndarray, norm: float) -> np.ndarray:
    """The update, shortened to the Euclidean norm where it is longer."""
    length = float(np.linalg.norm(update))
    return update * (norm / length) if length > norm else update


def steps_of(size: int, batch_size: int) -> int:
    """Steps of one epoch over so many examples; each step draws every example with the chance 1 / steps."""
    return max(1, -(-size // batch_size))


def gaussian_epsilon(noise_multiplier: float, releases: int, delta: float, sample_rate: float = 1.0) -> float:
    """The epsilon of so many Gaussian releases, by Renyi differential privacy, counted by Opacus.

    Mironov 2017; with samples Mironov, Talwar and Zhang 2019.

    Args:
        noise_multiplier: the noise's standard deviation in units of the sensitivity; 0 for none.
        releases: how many.
        delta: of (epsilon, delta); see `bench.limits.Delta`.
        sample_rate: the chance with which each release counts an example, drawn for each example apart.

    Returns:
        Epsilon, 0 or more; infinite without noise, which is no privacy.

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
        found = float(accountant.get_epsilon(delta=delta))
    return max(0.0, found)  # a delta that is large for the noise is enough by itself, and Opacus goes below 0 then
