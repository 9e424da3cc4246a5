"""Noisy releases of a federation, and the epsilon that they spend together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from veilbench.bench.limits import Delta, PositiveShare, require_value

MOST_NOISE = 1e12  # the square of a larger value overflows
LARGEST_COMPOSED = 200.0  # epsilon above which numerical composition is not tried: its grid fills the memory
EPSILON_ERROR = 0.01  # error of the numerical composition, which is added: the result is an upper bound


@dataclass(frozen=True)
class Releases:
    """Composed Gaussian mechanisms with Poisson sampling.

    Attributes:
        noise_multiplier: standard deviation of the noise in units of the sensitivity; 0 for no noise.
        count: number of noisy releases that are composed.
        sample_rate: probability that a release includes an example, drawn independently per example (Poisson sampling).

    Raises:
        ValueError: an attribute is out of its range.
    """

    noise_multiplier: float
    count: int
    sample_rate: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_value(PositiveShare, self.sample_rate, "sample_rate")
        require_value(Annotated[float, Ge(0), Le(MOST_NOISE)], self.noise_multiplier, "noise_multiplier")
        require_value(Annotated[int, Ge(0)], self.count, "releases")

    def epsilon(self, delta: float) -> float:
        """Compute epsilon by Opacus' accountant for Renyi differential privacy.

        Renyi differential privacy is due to Mironov 2017; with subsampling, to Mironov, Talwar and Zhang 2019.

        Args:
            delta: delta of (epsilon, delta)-differential privacy, in the range of `bench.limits.Delta`.

        Returns:
            Epsilon, at least 0; infinite without noise.

        Raises:
            ValueError: delta is out of its range.
        """
        require_value(Delta, delta, "delta")
        if not self.count:
            return 0.0
        if not self.noise_multiplier:
            return math.inf
        import warnings

        from opacus.accountants import RDPAccountant

        accountant = RDPAccountant()
        accountant.history = [(self.noise_multiplier, self.sample_rate, self.count)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Optimal order is the")  # the bound holds at any order
            epsilon = float(accountant.get_epsilon(delta=delta))
        return max(0.0, epsilon)  # Opacus' bound is negative if delta alone suffices for this noise

    def epsilon_prv(self, delta: float) -> float | None:
        """Compute epsilon by Opacus' numerical composition of privacy losses (Gopi, Lee and Wutschitz 2021).

        It is an upper bound, and exceeds the exact epsilon by at most 2 * `EPSILON_ERROR`.

        Args:
            delta: delta of (epsilon, delta)-differential privacy, in the range of `bench.limits.Delta`.

        Returns:
            Epsilon, at least 0; None if the Renyi accountant's is above `LARGEST_COMPOSED`.

        Raises:
            ValueError: delta is out of its range.
        """
        bound = self.epsilon(delta)
        if bound > LARGEST_COMPOSED:
            return None
        if bound <= EPSILON_ERROR:
            return bound
        import numpy as np
        from opacus.accountants import PRVAccountant

        accountant = PRVAccountant()
        accountant.history = [(self.noise_multiplier, self.sample_rate, self.count)]
        with np.errstate(divide="ignore"):  # log(0) where everything is sampled
            return min(bound, max(0.0, float(accountant.get_epsilon(delta=delta, eps_error=EPSILON_ERROR))))
