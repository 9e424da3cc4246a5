"""Clipping, Gaussian noise, and what they are worth."""

from __future__ import annotations

import numpy as np


def clipped(update: np.ndarray, norm: float) -> np.ndarray:
    """The update, shortened to the Euclidean norm where it is longer."""
    length = float(np.linalg.norm(update))
    return update * (norm / length) if length > norm else update


def gaussian_epsilon(noise_multiplier: float, rounds: int, delta: float) -> float:
    """The epsilon of so many Gaussian releases, by Renyi differential privacy (Mironov 2017), counted by Opacus.

    Args:
        noise_multiplier: the noise's standard deviation in units of the sensitivity.
        rounds: releases.
        delta: of (epsilon, delta).
    """
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    for _ in range(rounds):
        accountant.step(noise_multiplier=noise_multiplier, sample_rate=1.0)
    return float(accountant.get_epsilon(delta=delta))
