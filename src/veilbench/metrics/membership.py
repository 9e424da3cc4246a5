"""How well scores separate members from non-members. Higher scores stand for members throughout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr  # scipy.stats takes a second to import

from veilbench.bench.findings import Metric
from veilbench.metrics.anomaly import Ranking
from veilbench.metrics.intervals import proportion

DRAWS, BLOCK = 4_000, 200  # weightings, and how many of them are computed at once


def auroc(members: np.ndarray, others: np.ndarray) -> float:
    """Return the probability that a member scores above a non-member; ties count half (Mann and Whitney 1947)."""
    return Ranking(np.concatenate([members, others]), np.arange(len(members) + len(others)) < len(members)).auroc()


def auroc_interval(members: np.ndarray, others: np.ndarray, rng: np.random.Generator, confidence: float) -> Metric:
    """Return the AUROC of one score with its interval; see `auroc_intervals`.

    Args:
        members: scores of members, shape (n,).
        others: scores of non-members, shape (m,).
        rng: source of the weights.
        confidence: confidence level of the interval, in (0, 1).
    """
    return auroc_intervals([(members, others)], rng, [confidence])[0][0]


def auroc_intervals(
    scores: Sequence[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator, confidences: Sequence[float]
) -> list[list[Metric]]:
    """Return the AUROC of several scores, with intervals that have a width even if the scores separate perfectly.

    This is Gaffke's interval (`intervals.bounded_mean`) for two samples: the scores are weighted by draws of the flat
    Dirichlet distribution, which is the Bayesian bootstrap (Rubin 1981), and each sample has one more score at the
    worst end of the scale. That it covers is shown by simulation (tests/metrics/test_membership_metrics.py), not
    proven. All scores use the same draws, which take most of the time.

    Args:
        scores: several scores of the same records: pairs of those of n members, shape (n,), and of m non-members.
        rng: source of the weights.
        confidences: confidence levels of the intervals, each in (0, 1).

    Returns:
        For each score, one metric per confidence level.
    """
    ranks = [_rank(members, others) for members, others in scores]
    lows, highs = np.empty((len(scores), DRAWS)), np.empty((len(scores), DRAWS))
    for start in range(0, DRAWS, BLOCK):
        ours, theirs = (_draw_weights(len(side), rng) for side in scores[0])
        below = np.concatenate([np.zeros((BLOCK, 1)), theirs[:, :-1].cumsum(1)], 1)
        extra = ours[:, -1] + theirs[:, -1] * (1 - ours[:, -1])  # the two extra scores win everything, or nothing
        for row, (left, right) in enumerate(ranks):
            won = ((below[:, left] + below[:, right]) / 2 * ours[:, :-1]).sum(1)
            lows[row, start : start + BLOCK], highs[row, start : start + BLOCK] = won, won + extra
    return [
        [_enclose(auroc(*pair), low, high, sum(map(len, pair)), confidence) for confidence in confidences]
        for pair, low, high in zip(scores, lows, highs, strict=True)
    ]


def _rank(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many non-members score less than each member, and how many no more, both of shape (n,)."""
    ordered = np.sort(others)
    return np.searchsorted(ordered, members, "left"), np.searchsorted(ordered, members, "right")


def _enclose(value: float, lows: np.ndarray, highs: np.ndarray, n: int, confidence: float) -> Metric:
    """Return an AUROC with the interval between two quantiles of its weighted values."""
    tail = (1 - confidence) / 2
    low, high = float(np.quantile(lows, tail)), float(np.quantile(highs, 1 - tail))
    label = f"Gaffke over members and non-members, {100 * confidence:g} %"
    return Metric(value, min(low, value), min(max(high, value), 1.0), n, label)


def _draw_weights(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw weights of n scores and an extra one, shape (BLOCK, n + 1), rows with a sum of 1."""
    weights = rng.standard_exponential((BLOCK, n + 1))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def tpr_at_fpr(members: np.ndarray, others: np.ndarray, fpr: float, confidence: float = 0.95) -> Metric:
    """Return the true positive rate at a false positive rate, with the uncertainty of the threshold.

    The threshold of the estimate is the non-member's score that a new non-member exceeds with a probability of at most
    `fpr`: with n non-members, floor(fpr * (n + 1)) - 1 of them are above it. The interval allows for the error of the
    threshold, which two order statistics of the non-members enclose (exactly, by the binomial distribution), and for
    that of the share of members above each (Clopper-Pearson). By Bonferroni's correction each has half of the error.

    Args:
        members: scores of members, shape (n,).
        others: scores of non-members, shape (m,).
        fpr: false positive rate, in (0, 1].
        confidence: confidence level of the interval, in (0, 1).

    Raises:
        ValueError: there are too few non-members to distinguish `fpr` from 0.
    """
    exceeding = int(fpr * (len(others) + 1) + 1e-9) - 1
    if exceeding < 0:
        raise ValueError(f"{len(others)} non-members cannot resolve a false positive rate of {fpr:g}")
    strict, loose = _enclose_exceeding(len(others), fpr, (1 - confidence) / 4)
    each, ordered = 1 - (1 - confidence) / 2, np.sort(others)
    value, low, high = (
        proportion(int((members > _threshold(ordered, count)).sum()), len(members), each)
        for count in (exceeding, strict, loose)
    )
    label = f"order statistics and Clopper-Pearson, {100 * confidence:g} %"
    return Metric(value.value, min(low.low, value.value), max(high.high, value.value), value.n, label, "share")


def _enclose_exceeding(n: int, fpr: float, tail: float) -> tuple[int, int]:
    """Return how many of n non-members are above two thresholds that enclose the true one; -1 is above all scores.

    Each is on the wrong side with a probability of at most `tail`: the number of non-members above the true threshold
    is binomial.
    """
    at_most = bdtr(np.arange(n + 1), n, fpr)
    return int(np.searchsorted(at_most, tail, "right")) - 1, int(np.searchsorted(at_most, 1 - tail, "left"))


def _threshold(ordered: np.ndarray, exceeding: int) -> float:
    """Return the score that `exceeding` of the sorted scores exceed: infinite for -1, minus infinity for all."""
    if exceeding < 0:
        return float("inf")
    return float(ordered[len(ordered) - exceeding - 1]) if exceeding < len(ordered) else -float("inf")


def advantage(members: np.ndarray, others: np.ndarray) -> float:
    """Return the largest difference of true and false positive rates (Yeom et al. 2018, definition 4).

    The threshold is chosen in hindsight, so small samples give more than 0 even at chance level.
    """
    levels = np.unique(np.concatenate([members, others]))
    at_least = [1 - np.searchsorted(np.sort(side), levels, "left") / len(side) for side in (members, others)]
    return float(max(0.0, (at_least[0] - at_least[1]).max()))
