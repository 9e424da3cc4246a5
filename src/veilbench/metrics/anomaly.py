"""How well scores tell anomalies from normal rows, and whether the scores are scores at all."""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError


class Ranking:
    """Scores in order, once, for measures of many reweighted samples.

    Args:
        scores: shape (n,); the higher, the odder.
        anomalous: shape (n,), bool.

    Raises:
        ValueError: there are no anomalies, or nothing else.
    """

    def __init__(self, scores: np.ndarray, anomalous: np.ndarray) -> None:
        if not 0 < anomalous.sum() < len(anomalous):
            raise ValueError(f"{anomalous.sum()} of {len(anomalous)} rows are anomalies: both kinds are needed")
        self.order = np.argsort(-scores, kind="stable")
        ordered = scores[self.order]
        self.ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # last places of equal scores
        self.anomalous = anomalous[self.order]

    def _rates(self, counts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Anomalies and normal rows at or above each distinct score, from the highest down."""
        weights = np.ones(len(self.order)) if counts is None else counts[self.order].astype(np.float64)
        found = np.cumsum(weights * self.anomalous)[self.ends]
        false = np.cumsum(weights * ~self.anomalous)[self.ends]
        return found, false

    def auroc(self, counts: np.ndarray | None = None) -> float:
        """The chance that an anomaly scores above a normal row, ties counting half.

        Args:
            counts: shape (n,): how often each row is in the sample; None for once each.
        """
        found, false = (np.concatenate([[0.0], rates]) for rates in self._rates(counts))
        return float(np.trapezoid(found, false) / (found[-1] * false[-1]))

    def average_precision(self, counts: np.ndarray | None = None) -> float:
        """Precision averaged over the anomalies, as scikit-learn does: no interpolation."""
        found, false = self._rates(counts)
        gained = np.diff(found, prepend=0.0)
        alarms = np.maximum(found + false, 1)  # 0 only where nothing was gained either
        return float((gained * found / alarms).sum() / found[-1])


def need_scores(scores: np.ndarray, who: str) -> None:
    """Refuse what is no score.

    Raises:
        UserError: scores that are not finite, or all the same.
    """
    if wrong := int((~np.isfinite(scores)).sum()):
        raise UserError(f"{wrong} of {len(scores)} scores of {who} are not finite numbers")
    if np.ptp(scores) == 0:
        raise UserError(f"{who} scores every row {scores[0]:g}: a constant tells nothing apart")


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one of them is constant.

    Args:
        one: shape (n,).
        other: shape (n,).
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places in order, the mean place where values are equal."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[where])
