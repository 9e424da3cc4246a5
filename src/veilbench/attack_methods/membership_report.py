"""Findings about how well scores separate members from non-members."""

from __future__ import annotations

import numpy as np

from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.metrics.membership import advantage, auroc_interval, tpr_at_fpr

RATES = {"0.1_percent": 0.001, "1_percent": 0.01}


def report(found: Findings, name: str, members: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> None:
    """Add the gain 2 AUROC - 1, the rates behind it and the ROC curve; higher scores stand for members.

    Args:
        found: findings to extend; their gain is replaced.
        name: name of the attack, a prefix of the metrics.
        members: scores of members, shape (n,).
        others: scores of non-members, shape (m,).
        rng: source of the bootstrap samples.
    """
    area = auroc_interval(members, others, rng, CONFIDENCE)
    found.gain = Metric(2 * area.value - 1, 2 * area.low - 1, 2 * area.high - 1, area.n, area.interval)
    found.metrics[f"{name}_auroc"] = area
    found.metrics[f"{name}_advantage"] = Metric.exact(advantage(members, others), area.n)
    for words, rate in RATES.items():
        try:
            found.metrics[f"{name}_tpr_at_{words}_fpr"] = tpr_at_fpr(members, others, rate)
        except ValueError as error:
            found.notes.append(f"{name}: no true positive rate at {rate:.1%} false positives: {error}.")
    rates = np.unique(np.round(np.geomspace(1, len(others), 30)).astype(int)) / len(others)
    curve = Curve(f"membership by {name}", list(rates), [tpr_at_fpr(members, others, r).value for r in rates])
    chance = Curve("chance", list(rates), list(rates))
    title = f"Membership by {name}: true against false positives"
    found.figures.append(
        Figure(title, "false positive rate", "true positive rate", [curve, chance], True, True, ["chance"])
    )
