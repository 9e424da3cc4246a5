"""Comparison of errors with those of a baseline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilbench.bench.findings import Metric

RESAMPLES, BLOCK = 2000, 100
FEWEST = 50  # rows below which a bootstrap says little about other rows


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
    _require_error(base)
    return _over_rows(lambda wrong, plain: 1 - wrong / plain, (errors, base), rng, confidence)


def share_of_best(
    errors: np.ndarray, best: np.ndarray, base: np.ndarray, least: float, rng: np.random.Generator, confidence: float
) -> Metric:
    """Return how much of what the best guess recovers is recovered, with a bootstrap over rows as in `error_share`.

    The value is sum(base - errors) / sum(base - best): 0 for the baseline's errors, 1 for those of the best guess. With
    fewer than `FEWEST` rows, the interval contains [0, 1], since a bootstrap of so few rows says little about others.

    Args:
        errors: error of each row, shape (n,).
        best: error of the best guess for the same rows, shape (n,).
        base: error of the baseline for the same rows, shape (n,).
        least: least share of the baseline's error that the best guess counts as recovering, in (0, 1].
        rng: source of the bootstrap samples.
        confidence: confidence level of the interval, in (0, 1).

    Raises:
        ValueError: the baseline has no error.
    """
    _require_error(base)

    def share(wrong: np.ndarray, lowest: np.ndarray, plain: np.ndarray) -> np.ndarray:
        return np.asarray((plain - wrong) / np.maximum(plain - lowest, least * plain))

    found = _over_rows(share, (errors, best, base), rng, confidence)
    if len(errors) >= FEWEST:
        return found
    label = f"too few rows for an interval: {len(errors)} of {FEWEST}"
    return Metric(found.value, min(found.low, 0.0), max(found.high, 1.0), found.n, label)


def _require_error(base: np.ndarray) -> None:
    if not base.sum() > 0:
        raise ValueError("nothing can be explained where the base makes no error: the rows are all the same")


def _over_rows(
    statistic: Callable[..., np.ndarray], parts: tuple[np.ndarray, ...], rng: np.random.Generator, confidence: float
) -> Metric:
    """Compute a statistic of sums over rows; the last of `parts`, a divisor, is kept above zero."""
    n, tiny, rounds = len(parts[0]), np.finfo(float).tiny, []
    value = float(statistic(*(part.sum(dtype=float) for part in parts)))
    for _ in range(RESAMPLES // BLOCK):
        chosen = rng.integers(n, size=(BLOCK, n))
        sums = [part[chosen].sum(1) for part in parts]
        rounds.append(statistic(*sums[:-1], np.maximum(sums[-1], tiny)))
    low, high = np.quantile(np.concatenate(rounds), [(1 - confidence) / 2, (1 + confidence) / 2])
    label = f"bootstrap over rows, {100 * confidence:g} %"
    return Metric(value, min(float(low), value), max(float(high), value), n, label)
