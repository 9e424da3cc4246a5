"""How well scores separate members from non-members. Higher scores stand for members throughout."""

from __future__ import annotations

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.anomaly import Ranking
from veilbench.metrics.intervals import proportion

RESAMPLES = 2000


def auroc(members: np.ndarray, others: np.ndarray) -> float:
    """Return the probability that a member scores above a non-member; ties count half (Mann and Whitney 1947)."""
    return Ranking(np.concatenate([members, others]), np.arange(len(members) + len(others)) < len(members)).auroc()


def auroc_interval(members: np.ndarray, others: np.ndarray, rng: np.random.Generator, confidence: float) -> Metric:
    """Return the AUROC with a percentile interval of a bootstrap within members and non-members (Efron 1979).

    Resampling keeps the ranks within the pool of all scores, so each round costs only two counts and a sum.
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
    """Return the share of members above the lowest threshold that at most a share `fpr` of non-members exceeds.

    The Clopper-Pearson interval is over the members, with the threshold taken as given.

    Raises:
        ValueError: there are too few non-members to distinguish `fpr` from 0.
    """
    allowed = int(fpr * len(others) + 1e-9)
    if allowed < 1:
        raise ValueError(f"{len(others)} non-members cannot resolve a false positive rate of {fpr:g}")
    threshold = np.sort(others)[len(others) - allowed - 1] if allowed < len(others) else -np.inf
    return proportion(int((members > threshold).sum()), len(members), confidence)


def advantage(members: np.ndarray, others: np.ndarray) -> float:
    """Return the largest difference of true and false positive rates (Yeom et al. 2018, definition 4).

    The threshold is chosen in hindsight, so small samples give more than 0 even at chance level.
    """
    levels = np.unique(np.concatenate([members, others]))
    at_least = [1 - np.searchsorted(np.sort(side), levels, "left") / len(side) for side in (members, others)]
    return float(max(0.0, (at_least[0] - at_least[1]).max()))
