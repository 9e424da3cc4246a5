"""Can two templates of one person, made under two keys, be linked?

The measures are those of Gomez-Barrero et al. 2018, "General Framework to Evaluate Unlinkability in Biometric
Template Protection Systems" (IEEE TIFS 13(6)), and of Shahreza, Shkel and Marcel 2023, "Measuring Linkability of
Protected Biometric Templates Using Maximal Leakage" (IEEE TIFS 18); the estimator is not theirs.

Let p_m and p_n be the distributions of mated and non-mated scores, w the odds of a mated pair, and eta(s) the
probability that a pair with score s is mated. Then D(s) = 2 eta(s) - 1 where this is positive, otherwise 0; D_sys is
the mean of D(s) over mated scores. A histogram put into this formula sees differences even between two samples of one
distribution: its D_sys is too high, by about 0.1 at 500 scores. Here eta is estimated on some people and applied to
others. D_sys is the mean of a convex function of eta over all scores, h(eta) = (1 + w) / w * eta * max(2 eta - 1, 0),
and a convex function lies above its tangents. So for any eta' estimated on other data,

    E_m[4 eta' - 1 - 2 eta'^2] - E_n[2 eta'^2] / w        (both over scores with eta' > 1/2)

is at most D_sys on average, with equality for eta' = eta. The difference is the mean of 2 (eta' - eta)^2 over the same
scores, weighted likewise; we correct for it with the variance of eta' from the delta method. Then equal distributions
give 0, and disjoint ones give 1. What remains is an underestimate if the distributions differ little: 0.02 at 200 mated
scores, 0.01 at 1,000. `plug_in` is an overestimate there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.biometric import Comparisons, interval

FOLDS, PRIOR = 5, 0.5  # PRIOR: pseudo-count of each kind in each bin, so that empty bins are neutral
EVEN = 0.5 + 1e-9  # above this a pair is more likely mated than not; the margin covers rounding


@dataclass(frozen=True)
class Linkability:
    """Linkability of templates: 0 not at all, 1 fully.

    Attributes:
        system: D_sys, with an interval from a bootstrap over identities.
        maximal: maximal linkability in bits, log2(1 + total variation distance of the distributions), estimated
            likewise.
        plug_in: D_sys from a histogram put into the formula, as it is commonly computed: too high.
        scores: centres of the histogram's bins, shape (bins,).
        local: D(s) at these scores, from the histogram, shape (bins,).
    """

    system: Metric
    maximal: Metric
    plug_in: float
    scores: np.ndarray
    local: np.ndarray


def chance(mated: np.ndarray, nonmated: np.ndarray, odds: float = 1.0) -> np.ndarray:
    """Return the probability that a score is of a mated pair, by bin.

    Args:
        mated: number of mated scores in each bin, shape (..., bins).
        nonmated: number of non-mated scores in each bin, of the same shape.
        odds: prior odds of a mated pair, p(mated) / p(non-mated).
    """
    bins = mated.shape[-1]
    for_mated = odds * (mated + PRIOR) / (mated.sum(-1, keepdims=True) + PRIOR * bins)
    for_others = (nonmated + PRIOR) / (nonmated.sum(-1, keepdims=True) + PRIOR * bins)
    return np.asarray(for_mated / (for_mated + for_others))


def local_measure(eta: np.ndarray) -> np.ndarray:
    """Return D(s) from the probability that a score is of a mated pair."""
    return np.asarray(np.maximum(2 * eta - 1, 0))


def edges_of(comparisons: Comparisons, bins: int) -> np.ndarray:
    """Return inner edges of bins with about equal shares of scores; mated and non-mated scores have equal weight."""
    ascending = comparisons.ascending()
    mated = ascending.mated
    share = np.cumsum(np.where(mated, 0.5 / mated.sum(), 0.5 / (~mated).sum()))
    places = np.searchsorted(share, np.arange(1, bins) / bins)
    edges = np.unique(ascending.scores[np.minimum(places, len(mated) - 1)])
    return np.asarray(edges[edges < ascending.scores[-1]])  # bins include their upper edge, so none is empty


def bins_for(mated: int) -> int:
    """Return the number of bins: it grows with the number of scores, but more slowly, so each bin fills up."""
    return max(2, round(2 * float(np.cbrt(mated))))


class CrossFit:
    """Estimates the probability of being mated on some people, and applies it to the others.

    Args:
        places: bin of each score, shape (n,).
        mated: whether each score is of a mated pair, shape (n,), bool.
        first: fold of the first template's identity, shape (n,).
        second: fold of the second template's identity, shape (n,).
        bins: number of bins of both histograms.
        odds: prior odds of a mated pair, p(mated) / p(non-mated).
    """

    def __init__(
        self, places: np.ndarray, mated: np.ndarray, first: np.ndarray, second: np.ndarray, bins: int, odds: float
    ) -> None:
        self.places, self.bins, self.odds = places, bins, odds
        self.kinds = np.flatnonzero(mated), np.flatnonzero(~mated)
        self.folds = [
            [rows[((first != fold) & (second != fold))[rows]] for rows in self.kinds]
            + [rows[(first == fold)[rows]] for rows in self.kinds]
            for fold in range(FOLDS)
        ]

    def counts(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the weighted number of these scores in each bin, shape (bins,)."""
        return np.asarray(np.bincount(self.places[rows], weights[rows], self.bins))

    def measures(self, weights: np.ndarray) -> tuple[float, float]:
        """Return D_sys and maximal linkability, with each score counted `weights` times."""
        mated, others = (weights[rows].sum() for rows in self.kinds)
        system = variation = 0.0
        for rows in self.folds:
            seen_mated, seen_others, mine, foreign = (self.counts(some, weights) for some in rows)
            eta = chance(seen_mated, seen_others, self.odds)
            variance = (eta * (1 - eta)) ** 2 * (1 / (seen_mated + PRIOR) + 1 / (seen_others + PRIOR))
            worth, price = 4 * eta - 1 - 2 * eta**2 + 2 * variance, (2 * eta**2 - 2 * variance) / self.odds
            worth, price = np.where(eta > EVEN, (worth, price), 0)
            system += mine @ worth / mated - foreign @ price / others
            likelier = chance(seen_mated, seen_others) > EVEN
            variation += mine @ likelier / mated - foreign @ likelier / others
        return float(np.clip(system, 0, 1)), float(np.log2(1 + np.clip(variation, 0, 1)))


def linkability(
    comparisons: Comparisons,
    rng: np.random.Generator,
    odds: float = 1.0,
    repeats: int = 200,
    confidence: float = 0.95,
) -> Linkability:
    """Compute D_sys and related measures from scores between templates under different keys.

    Args:
        comparisons: comparisons of one person's templates (mated) and of two persons' (non-mated).
        rng: source of the folds and the bootstrap samples.
        odds: prior odds of a mated pair, p(mated) / p(non-mated).
        repeats: bootstrap samples over identities.
        confidence: confidence level of the intervals, in (0, 1).

    Raises:
        ValueError: there are fewer people than folds.
    """
    people, where = np.unique(np.r_[comparisons.first, comparisons.second], return_inverse=True)
    if len(people) < FOLDS:
        raise ValueError(f"linkability needs at least {FOLDS} identities, got {len(people)}")
    first, second = np.split(where, 2)
    mated = comparisons.mated
    edges = edges_of(comparisons, bins_for(int(mated.sum())))
    places = np.searchsorted(edges, comparisons.scores)
    fold = rng.permutation(np.arange(len(people)) % FOLDS)
    fit = CrossFit(places, mated, fold[first], fold[second], len(edges) + 1, odds)
    whole = np.ones(len(mated))
    drawn = []
    for times in rng.multinomial(len(people), np.full(len(people), 1 / len(people)), repeats):
        weights = np.where(mated, times[first], times[first] * times[second]).astype(float)
        if weights[~mated].any():
            drawn.append(fit.measures(weights))
    system, maximal = (
        interval(value, some, len(people), confidence)
        for value, some in zip(fit.measures(whole), np.asarray(drawn).T, strict=True)
    )
    counts = [fit.counts(rows, whole) for rows in fit.kinds]
    local = local_measure(chance(counts[0], counts[1], odds))
    ends = np.r_[comparisons.scores.min(), edges, comparisons.scores.max()]
    plug_in = float(counts[0] @ local / counts[0].sum())
    return Linkability(system, maximal, plug_in, (ends[1:] + ends[:-1]) / 2, local)
