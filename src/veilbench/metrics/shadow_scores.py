"""Membership scores from one pool of shadow models: LiRA, BaVarIA and RMIA. Higher scores stand for members.

All take the target's confidences of n records, those of the shadows, and which shadow was trained on which record. A
confidence is the logit of the correct label, which is close to normal over shadows (Carlini et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, log_expit, log_ndtr  # scipy.stats takes a second to import

MANY = 32  # shadows from which LiRA estimates a variance for each record; in Carlini et al. (2022) 64
SMALLEST = 1e-12  # smallest variance
LEAST = 0.1  # smallest gap between members and others that counts, in standard deviations


@dataclass(frozen=True)
class Moments:
    """What some of the shadows say of each record.

    Attributes:
        counts: number of these shadows, shape (n,).
        means: mean of their confidences, shape (n,).
        squares: sum of squared deviations from the mean, shape (n,).
    """

    counts: np.ndarray
    means: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, shadows: np.ndarray, chosen: np.ndarray) -> Moments:
        """Summarise the chosen shadows of each record.

        Args:
            shadows: confidences, shape (shadows, n).
            chosen: which shadow counts for which record, shape (shadows, n), bool.

        Raises:
            ValueError: a record has no such shadow, or a confidence is not finite.
        """
        counts = chosen.sum(0)
        if missing := int((counts == 0).sum()):
            raise ValueError(f"{missing} of {len(counts)} records are in all of the {len(shadows)} shadows or in none")
        if not np.isfinite(shadows).all():
            raise ValueError(f"{int((~np.isfinite(shadows)).sum())} confidences of shadows are not finite")
        means = np.where(chosen, shadows, 0).sum(0) / counts
        return cls(counts, means, (np.where(chosen, shadows - means, 0) ** 2).sum(0))


def estimate_variances(shadows: int, *sides: Moments) -> np.ndarray:
    """Return the variance of each record's confidences around the mean of their side, shape (n,).

    With fewer than `MANY` shadows, all records share one variance.

    Args:
        shadows: number of shadows.
        sides: what the shadows of one side, or of both, say of each record.
    """
    squares = np.sum([side.squares for side in sides], 0)
    freedom = np.sum([side.counts - 1 for side in sides], 0)
    if shadows < MANY:
        squares, freedom = np.full(len(squares), squares.sum()), np.full(len(freedom), freedom.sum())
    return np.asarray(np.maximum(squares / np.maximum(freedom, 1), SMALLEST))


def lira_online(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return online LiRA: the log likelihood ratio of two normal laws (Carlini et al. 2022).

    Two things differ from the paper. Both laws of a record have one variance, where the paper estimates two: these
    differ by chance, and far from both means the wider law is the likelier one on either side, whoever is a member. And
    a member's mean is at least `LEAST` standard deviations above that of others: training on a record does not lower
    its confidence, but with few shadows the estimates often say so.

    Args:
        target: the target's confidences, shape (n,).
        shadows: confidences of the shadows, shape (shadows, n).
        inside: which shadow was trained on which record, shape (shadows, n), bool.

    Returns:
        Scores, shape (n,). With fewer than `MANY` shadows, all records share one variance.
    """
    member, other = Moments.of(shadows, inside), Moments.of(shadows, ~inside)
    variances = estimate_variances(len(shadows), member, other)
    gaps = np.maximum(member.means - other.means, LEAST * np.sqrt(variances))
    return np.asarray(gaps * (target - other.means - gaps / 2) / variances)


def lira_offline(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return offline LiRA: how improbable so much confidence is of a non-member (Carlini et al. 2022).

    It uses only shadows that were not trained on the record. The arguments are those of `lira_online`.

    Returns:
        Minus the logarithm of the upper tail of the normal law, shape (n,); it orders as the tail does.
    """
    other = Moments.of(shadows, ~inside)
    return np.asarray(-log_ndtr(-(target - other.means) / np.sqrt(estimate_variances(len(shadows), other))))


def bavaria(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return BaVarIA-t: the log ratio of two Student laws (Brännvall 2026, arXiv:2603.11799).

    The mean and the variance of a record's confidences have a conjugate prior, normal-inverse-gamma, so the predictive
    law is Student's t. The parameters of the prior are ours: they match the moments over all records, so that nothing
    is tuned. A member's prior mean is its mean as a non-member plus the usual gap, and both laws have one variance:
    with few shadows on one side, the other side says more about a record than the average record does. No gap counts
    for less than `LEAST` standard deviations, since training on a record does not lower its confidence. Both laws have
    the mean of their two scales, so that far out no law is the likelier one by its width alone. The arguments are those
    of `lira_online`.
    """
    member, other = (Moments.of(shadows, side) for side in (inside, ~inside))
    shape, scale = fit_variances(member, other)
    freedom, squares = member.counts + other.counts - 2, member.squares + other.squares
    shape, scale = shape + freedom / 2, scale + squares / 2
    gap, counts = fit_gaps(member, other)
    gap = np.maximum(gap, LEAST * np.sqrt(scale / shape))
    width = scale / shape * (1 + (1 / counts + 1 / other.counts) / 2)
    member_law, other_law = (log_student(target, mean, width, 2 * shape) for mean in (other.means + gap, other.means))
    return np.asarray(member_law - other_law)


def fit_gaps(member: Moments, other: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Return each record's gap between member and non-member, drawn to the mean gap, and the observations behind it.

    The prior counts for as many observations as the variance of one observation exceeds that of the true gaps.
    """
    noise = float((member.squares + other.squares).sum() / max((member.counts + other.counts - 2).sum(), 1))
    gaps = member.means - other.means
    spread = gaps.var() - noise * float((1 / member.counts + 1 / other.counts).mean())
    prior = noise / max(float(spread), SMALLEST * max(noise, 1.0))
    counts = prior + member.counts
    return (prior * gaps.mean() + member.counts * gaps) / counts, counts


def fit_variances(member: Moments, other: Moments) -> tuple[float, float]:
    """Return shape and scale of the inverse gamma law whose moments match the records' variances.

    A sample variance with v degrees of freedom has the variance 2 sigma^4 / v around the true one, which is subtracted.
    """
    freedom = np.maximum(member.counts + other.counts - 2, 1)
    found = (member.squares + other.squares) / freedom
    mean = max(float(found.mean()), SMALLEST)
    spread = float((found**2 / (1 + 2 / freedom)).mean()) - mean**2
    shape = 2 + min(mean**2 / max(spread, SMALLEST * mean**2), 1e6)
    return shape, mean * (shape - 1)


def rmia(
    target: np.ndarray,
    shadows: np.ndarray,
    inside: np.ndarray,
    population: tuple[np.ndarray, np.ndarray],
    gamma: float = 1.0,
) -> np.ndarray:
    """Return RMIA: the share of the population that a record dominates (Zarifzadeh et al. 2024).

    A record x dominates z if p(x | target) / p(x) is at least `gamma` times p(z | target) / p(z), where p(x) is the
    mean of the shadows' probabilities, half of it from shadows that were trained on x.

    Args:
        target: the target's confidences, shape (n,).
        shadows: confidences of the shadows, shape (shadows, n).
        inside: which shadow was trained on which record, shape (shadows, n), bool.
        population: confidences of m records that the target was not trained on: the target's, shape (m,), and the
            shadows', shape (shadows, m).
        gamma: how often a record must be more likely than one of the population; at least 1.

    Returns:
        Shares in [0, 1], shape (n,).
    """
    shares = np.exp(log_expit(shadows))
    usual = sum(Moments.of(shares, side).means for side in (inside, ~inside)) / 2
    theirs, common = population
    baseline = np.sort(log_expit(theirs) - np.log(np.exp(log_expit(common)).mean(0)))
    ratios = log_expit(target) - np.log(usual)
    return np.asarray(np.searchsorted(baseline, ratios - np.log(gamma), "right") / len(baseline))


def log_student(x: np.ndarray, mean: np.ndarray, scale: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Return the log density of Student's t with a location and a squared scale."""
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - np.log(freedom * np.pi * scale) / 2
    return np.asarray(constant - (freedom + 1) / 2 * np.log1p((x - mean) ** 2 / (freedom * scale)))
