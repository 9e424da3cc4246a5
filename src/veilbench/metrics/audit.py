"""Privacy audit: the lower bound on epsilon that a membership attack implies."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, expit

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


def epsilon_in_one_run(right: int, guesses: int, canaries: int, delta: float, confidence: float = 0.95) -> Metric:
    """Return a lower confidence bound of epsilon from guesses about canaries in a single training; 0 if none is shown.

    Each canary is included by an independent coin flip. Under (epsilon, delta) differential privacy the number of right
    guesses is hardly larger than binomial with a success probability of exp(epsilon) / (1 + exp(epsilon)) (Steinke et
    al. 2023). The bound is the largest epsilon under which the observed number of right guesses is too
    unlikely. It is valid for any number of canaries, and needs no independence of their scores.

    Args:
        right: number of right guesses.
        guesses: number of guesses; the attacker may abstain from the others.
        canaries: number of canaries, guessed or not.
        delta: delta of (epsilon, delta) differential privacy.
        confidence: confidence level of the bound, in (0, 1).

    Raises:
        ValueError: there are more right guesses than guesses, or more guesses than canaries.
    """
    if not 0 <= right <= guesses <= canaries or not guesses:
        raise ValueError(
            f"right={right}, guesses={guesses} and canaries={canaries} must increase, with a guess at least"
        )
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        too_unlikely = _probability(right, guesses, canaries, middle, delta) <= 1 - confidence
        low, high = (middle, high) if too_unlikely else (low, middle)
    label = f"lower end, {100 * confidence:g} %, {guesses} guesses in one run"
    return Metric(low, low, low, guesses, label)


def _probability(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """Return a bound of the probability of `right` or more right guesses (Steinke et al. 2023)."""
    share = float(expit(epsilon))
    fewer = np.concatenate([[0.0], bdtr(np.arange(right), guesses, share)])  # P(fewer than 0, 1, ... right)
    steps = np.arange(1, right + 1)
    excess = (2 / steps * (fewer[-1] - fewer[::-1][1:])).max() if right else 0.0
    return float(1 - fewer[-1] + canaries * delta * excess)
