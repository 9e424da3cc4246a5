"""How well scores separate anomalies from normal rows, and whether the scores are valid."""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError


class Ranking:
    """Sorts scores once, to compute measures of many reweighted samples.

    Args:
        scores: score of each row, shape (n,); higher is more anomalous.
        anomalous: whether each row is an anomaly, shape (n,), bool.

    Raises:
        ValueError: there are no anomalies, or only anomalies.
    """

    def __init__(self, scores: np.ndarray, anomalous: np.ndarray) -> None:
        if not 0 < anomalous.sum() < len(anomalous):
            raise ValueError(f"{anomalous.sum()} of {len(anomalous)} rows are anomalies: both kinds are needed")
        self.order = np.argsort(-scores, kind="stable")
        ordered = scores[self.order]
        self.ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # last index of equal scores
        self.anomalous = anomalous[self.order]

    def _rates(self, counts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of anomalies and normal rows at or above each distinct score, from the highest down."""
        weights = np.ones(len(self.order)) if counts is None else counts[self.order].astype(np.float64)
        found = np.cumsum(weights * self.anomalous)[self.ends]
        false = np.cumsum(weights * ~self.anomalous)[self.ends]
        return found, false

    def auroc(self, counts: np.ndarray | None = None) -> float:
        """Return the probability that an anomaly scores above a normal row, with ties counting half.

        Args:
            counts: how often each row is in the sample, shape (n,); None counts each once.
        """
        found, false = (np.concatenate([[0.0], rates]) for rates in self._rates(counts))
        return float(np.trapezoid(found, false) / (found[-1] * false[-1]))

    def average_precision(self, counts: np.ndarray | None = None) -> float:
        """Return the average precision without interpolation, as scikit-learn does.

        Args:
            counts: how often each row is in the sample, shape (n,); None counts each once.
        """
        found, false = self._rates(counts)
        gained = np.diff(found, prepend=0.0)
        alarms = np.maximum(found + false, 1)  # 0 only if the gain is 0 too
        return float((gained * found / alarms).sum() / found[-1])


def need_scores(scores: np.ndarray, who: str) -> None:
    """Reject invalid scores.

    Raises:
        UserError: the scores are not finite, or all equal.
    """
    if wrong := int((~np.isfinite(scores)).sum()):
        raise UserError(f"{wrong} of {len(scores)} scores of {who} are not finite numbers")
    if np.ptp(scores) == 0:
        raise UserError(f"{who} scores every row {scores[0]:g}: a constant tells nothing apart")


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation; 0 if one of the arguments is constant.

    Args:
        one: first sample, shape (n,).
        other: second sample, shape (n,).
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks, with the mean rank for equal values."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[where])
