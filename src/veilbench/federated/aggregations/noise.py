"""Clipping, Gaussian noise, and what they are worth."""

from __future__ import annotations

import numpy as np


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
        noise_multiplier: the noise's standard deviation in units of the sensitivity.
        releases: how many.
        delta: of (epsilon, delta).
        sample_rate: the chance with which each release counts an example, drawn for each example apart.
    """
    import warnings

    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, releases)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is the")  # the bound holds at any order
        return float(accountant.get_epsilon(delta=delta))
