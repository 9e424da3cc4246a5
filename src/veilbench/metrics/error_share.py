"""Comparison of errors with those of a baseline."""

from __future__ import annotations

import numpy as np

from veilbench.bench.findings import Metric

RESAMPLES, BLOCK = 2000, 100


def error_share(errors: np.ndarray, base: np.ndarray, rng: np.random.Generator, confidence: float) -> Metric:
    """Return 1 - sum(errors) / sum(base), with a percentile interval of a bootstrap over rows (Efron 1979).

    The value is 1 for no error, 0 for the baseline's errors, and negative for larger ones.

    Args:
        errors: error of each row, shape (n,).
        base: error of the baseline for the same rows, shape (n,).
        rng: source of the bootstrap samples.
        confidence: confidence level of the interval, in (0, 1).

    Raises:
        ValueError: the baseline has no error.
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
