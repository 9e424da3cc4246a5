"""Privacy audit: the lower bound on epsilon that a membership attack implies."""

from __future__ import annotations

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.intervals import proportion


def epsilon_at_least(
    members: np.ndarray, others: np.ndarray, delta: float, rng: np.random.Generator, confidence: float = 0.95
) -> Metric:
    """Return a lower confidence bound of epsilon; 0 if nothing was shown.

    (epsilon, delta) differential privacy limits every test to tpr <= exp(epsilon) * fpr + delta (Kairouz et al. 2015).
    The threshold is chosen on one half of the scores and evaluated on the other, with Clopper-Pearson bounds that hold
    jointly (Bonferroni), so choosing costs no confidence. Scores are treated as independent, which those of one model
    are not quite: this is an indication from one training run, not a proof.

    Args:
        members: scores of members, shape (n,); higher for members.
        others: scores of non-members, shape (m,).
        delta: delta of (epsilon, delta) differential privacy, in [0, 1).
        rng: source of the split into halves.
        confidence: confidence level of the bound, in (0, 1).

    Raises:
        ValueError: there are fewer than two scores of a kind, a score is not finite, or `delta` is outside [0, 1).
    """
    if not 0 <= delta < 1:
        raise ValueError(f"delta={delta} must be in [0, 1)")
    for name, scores in (("members", members), ("others", others)):
        if len(scores) < 2 or not np.isfinite(scores).all():
            raise ValueError(
                f"{len(scores)} scores of {name}, {np.isfinite(scores).sum()} of them finite: at least 2, all"
            )
    ours, theirs = rng.permutation(members), rng.permutation(others)
    half = len(ours) // 2, len(theirs) // 2
    levels = np.unique(theirs[: half[1]])
    found = [_bound(ours[: half[0]], theirs[: half[1]], level, delta, confidence) for level in levels[-200:]]
    chosen = levels[-200:][int(np.argmax(found))]
    bound = _bound(ours[half[0] :], theirs[half[1] :], chosen, delta, confidence)
    label = f"lower end, Clopper-Pearson {100 * confidence:g} % on the half that did not choose the threshold"
    return Metric(bound, bound, bound, len(members) + len(others) - sum(half), label)


def _bound(members: np.ndarray, others: np.ndarray, level: float, delta: float, confidence: float) -> float:
    """Return the bound at one threshold; both one-sided bounds use half of the allowed error."""
    each = confidence  # a two-sided interval at this level has an error of (1 - confidence) / 2 on each side
    tpr = proportion(int((members > level).sum()), len(members), each).low
    fpr = proportion(int((others > level).sum()), len(others), each).high
    return float(max(0.0, np.log(max(tpr - delta, 1e-300) / fpr)))
