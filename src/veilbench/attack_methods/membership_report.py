"""Findings about how well scores separate members from non-members."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.metrics.intervals import above_chance
from veilbench.metrics.membership import advantage, auroc, auroc_intervals, tpr_at_fpr

RATES = {"0.1_percent": 0.001, "1_percent": 0.01}
FEW_FALSE = 0.01  # false positive rate at which the true positive rate counts towards the gain


def report(found: Findings, name: str, members: np.ndarray, others: np.ndarray, area: Metric) -> None:
    """Add the AUROC, the true positive rates at low false positive rates, and the ROC curve.

    Args:
        found: findings that the metrics and figures are added to.
        name: name of the attack, a prefix of the metrics.
        members: scores of members, shape (n,); higher scores stand for members.
        others: scores of non-members, shape (m,).
        area: AUROC of these scores with its interval.
    """
    found.metrics[f"{name}_auroc"] = area
    found.metrics[f"{name}_advantage"] = Metric.exact(advantage(members, others), area.n)
    for words, rate in RATES.items():
        try:
            found.metrics[f"{name}_tpr_at_{words}_fpr"] = tpr_at_fpr(members, others, rate, CONFIDENCE)
        except ValueError as error:
            found.notes.append(f"{name}: no true positive rate at {rate:.1%} false positives: {error}.")
    lowest = 1 / (len(others) + 1)
    rates = np.geomspace(lowest, 1, 30)
    rates[0], rates[-1] = lowest, 1  # exactly
    curve = Curve(f"membership by {name}", list(rates), [tpr_at_fpr(members, others, r).value for r in rates])
    chance = Curve("chance", list(rates), list(rates))
    title = f"Membership by {name}: true against false positives"
    found.figures.append(
        Figure(title, "false positive rate", "true positive rate", [curve, chance], True, True, ["chance"])
    )


@dataclass(frozen=True)
class PathGains:
    """What each path of an attack gained, with intervals that hold jointly.

    Attributes:
        areas: AUROC by the name of the path, with an interval of its own at the level `CONFIDENCE`.
        gains: gains by the name of the path: 2 AUROC - 1 and, with enough non-members, the true positive rate at 1 %
            false positives above chance.
    """

    areas: Mapping[str, Metric]
    gains: Mapping[str, Sequence[Metric]]

    def largest(self, paths: Collection[str] = ()) -> Metric:
        """Return the largest gain of some paths; of all, if none is named.

        All intervals hold jointly at the level `CONFIDENCE` (Bonferroni): the largest ends enclose the largest value.
        """
        gains = [gain for path, both in self.gains.items() if not paths or path in paths for gain in both]
        label = f"{gains[0].interval.rpartition(',')[0]}; largest of {len(gains)}, {100 * CONFIDENCE:g} %"
        value, low, high = (max(getattr(gain, end) for gain in gains) for end in ("value", "low", "high"))
        return Metric(value, low, high, gains[0].n, label)


def measure_gains(scores: Mapping[str, np.ndarray], rng: np.random.Generator) -> PathGains:
    """Measure 2 AUROC - 1 and the true positive rate at 1 % false positives above chance, by each score.

    A model that betrays a few members with certainty has an AUROC near .5; its true positive rate tells (Carlini et al.
    2022). The true positive rate at 0.1 % is not counted: to be sure of such a threshold takes 6,000 non-members.

    Args:
        scores: scores by the name of the path, shape (2 * n,), members first; higher scores stand for members.
        rng: source of the intervals' weights.
    """
    each = 1 - (1 - CONFIDENCE) / (2 * len(scores))
    pairs = [halve(score) for score in scores.values()]
    areas, jointly = zip(*auroc_intervals(pairs, rng, (CONFIDENCE, each)), strict=True)
    gains = [_measure_both(*pair, area, each) for pair, area in zip(pairs, jointly, strict=True)]
    return PathGains(dict(zip(scores, areas, strict=True)), dict(zip(scores, gains, strict=True)))


def gain_value(score: np.ndarray) -> float:
    """Return the gain of one score, shape (2 * n,), members first, without an interval; see `measure_gains`."""
    members, others = halve(score)
    area = 2 * auroc(members, others) - 1
    if len(others) < 1 / FEW_FALSE - 1:
        return area
    return max(area, above_chance(tpr_at_fpr(members, others, FEW_FALSE), FEW_FALSE).value)


def halve(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split scores, shape (2 * n,), into those of members and those of the others."""
    half = len(score) // 2
    return score[:half], score[half:]


def _measure_both(members: np.ndarray, others: np.ndarray, area: Metric, confidence: float) -> list[Metric]:
    """Return both gains of one score; the second only if there are enough non-members."""
    gains = [Metric(2 * area.value - 1, 2 * area.low - 1, 2 * area.high - 1, area.n, area.interval)]
    if len(others) >= 1 / FEW_FALSE - 1:
        gains.append(above_chance(tpr_at_fpr(members, others, FEW_FALSE, confidence), FEW_FALSE))
    return gains
