"""How well scores tell members from others. Higher scores stand for members throughout."""

from __future__ import annotations

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.anomaly import Ranking
from veilbench.metrics.intervals import proportion

RESAMPLES = 2000


def auroc(members: np.ndarray, others: np.ndarray) -> float:
    """The chance that a member's score is above another row's, ties counting one half (Mann and Whitney 1947)."""
    return Ranking(np.concatenate([members, others]), np.arange(len(members) + len(others)) < len(members)).auroc()


def auroc_interval(members: np.ndarray, others: np.ndarray, rng: np.random.Generator, confidence: float) -> Metric:
    """The AUROC with a percentile interval over resampled members and resampled others (Efron 1979).

    Resampling keeps the ranks within the pool of all scores, so that a round costs two counts and a sum.
    """
    value = auroc(members, others)
    levels, places = np.unique(np.concatenate([members, others]), return_inverse=True)
    ours, theirs = places[: len(members)], places[len(members) :]
    rounds = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        m = np.bincount(rng.choice(ours, len(ours)), minlength=len(levels))
        o = np.bincount(rng.choice(theirs, len(theirs)), minlength=len(levels))
        rounds[index] = m @ (o.cumsum() - o / 2) / (len(ours) * len(theirs))
    low, high = np.quantile(rounds, [(1 - confidence) / 2, (1 + confidence) / 2])
    label = f"bootstrap over rows, {100 * confidence:g} %"
    return Metric(value, min(float(low), value), max(float(high), value), len(members) + len(others), label)


def tpr_at_fpr(members: np.ndarray, others: np.ndarray, fpr: float, confidence: float = 0.95) -> Metric:
    """The share of members above the least threshold that at most the share `fpr` of the others exceeds.

    The Clopper-Pearson interval is over the members, the threshold being taken as given.

    Raises:
        ValueError: the others are too few to tell such a share from 0.
    """
    allowed = int(fpr * len(others) + 1e-9)
    if allowed < 1:
        raise ValueError(f"{len(others)} non-members cannot resolve a false positive rate of {fpr:g}")
    threshold = np.sort(others)[len(others) - allowed - 1] if allowed < len(others) else -np.inf
    return proportion(int((members > threshold).sum()), len(members), confidence)


def advantage(members: np.ndarray, others: np.ndarray) -> float:
    """The largest true minus false positive rate of any threshold (Yeom et al. 2018, definition 4).

    The threshold is the best one in hindsight, so that small samples give more than 0 even at chance.
    """
    levels = np.unique(np.concatenate([members, others]))
    at_least = [1 - np.searchsorted(np.sort(side), levels, "left") / len(side) for side in (members, others)]
    return float(max(0.0, (at_least[0] - at_least[1]).max()))
