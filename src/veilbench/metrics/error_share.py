"""Squared errors of rows, and how much smaller they are than others."""

from __future__ import annotations

import numpy as np

from veilbench.findings import Metric
from veilbench.metrics.intervals import mean

RESAMPLES, BLOCK = 2000, 100
EXACT = 1e-10  # an error below this counts as this: 100 dB


def squared_errors(made: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Each row's mean squared error, shape (n,), float64."""
    return np.asarray(((made - wanted).reshape(len(wanted), -1).astype(np.float64) ** 2).mean(1))


def error_share(errors: np.ndarray, base: np.ndarray, rng: np.random.Generator, confidence: float) -> Metric:
    """1 - sum of errors / sum of base, with a percentile interval over resampled rows (Efron 1979).

    1 for no error, 0 for the base's, negative for more.

    Args:
        errors: each row's error, shape (n,).
        base: the same rows' errors to compare with, shape (n,).
        rng: resamples.
        confidence: of the interval.

    Raises:
        ValueError: the base makes no error.
    """
    if not base.sum() > 0:
        raise ValueError("nothing can be explained where the base makes no error: the rows are all the same")
    n, value, rounds = len(errors), float(1 - errors.sum() / base.sum()), []
    for _ in range(RESAMPLES // BLOCK):
        chosen = rng.integers(n, size=(BLOCK, n))
        rounds.append(1 - errors[chosen].sum(1) / np.maximum(base[chosen].sum(1), np.finfo(float).tiny))
    low, high = np.quantile(np.concatenate(rounds), [(1 - confidence) / 2, (1 + confidence) / 2])
    label = f"bootstrap over rows, {100 * confidence:g} %"
    return Metric(value, min(float(low), value), max(float(high), value), n, label)


def psnr(errors: np.ndarray) -> Metric:
    """The mean over images of the peak signal-to-noise ratio in dB, for values in [0, 1]; 100 dB at most."""
    return mean(list(-10 * np.log10(np.maximum(errors, EXACT))), unit="dB")
