"""Can two templates of one person under two keys be told to be one person's?

The measures are those of Gomez-Barrero et al. 2018, "General Framework to Evaluate Unlinkability in Biometric
Template Protection Systems" (IEEE TIFS 13(6)), and of Shahreza, Shkel and Marcel 2023, "Measuring Linkability of
Protected Biometric Templates Using Maximal Leakage" (IEEE TIFS 18); the estimator is not theirs.

With p_m and p_n the laws of mated and non-mated scores, w the odds of a mated pair, and eta(s) the chance that a pair
with score s is mated, D(s) = 2 eta(s) - 1 where that is positive, and D_sys is the mean of D(s) over mated scores. A
histogram put into this formula sees differences even between two samples of one law: its D_sys is too
high, at 500 scores by about 0.1. Here eta is learned on some people and used on others. D_sys is the mean of a convex
function of eta over all scores, h(eta) = (1 + w) / w * eta * max(2 eta - 1, 0), and a convex function lies above its
tangents; so with any eta' made elsewhere

    E_m[4 eta' - 1 - 2 eta'^2] - E_n[2 eta'^2] / w        (both over scores with eta' > 1/2)

is at most D_sys on average, with equality for eta' = eta. What it lacks is the mean of 2 (eta' - eta)^2 over the same
scores, weighted likewise; the variance of eta', by the delta method, is put in its place. Then equal laws give 0, and
laws that never meet give 1. What remains is an error to the low side where laws differ little: 0.02 at 200 mated
scores, 0.01 at 1,000. `plug_in` errs to the high side there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.biometric import Comparisons, interval

FOLDS, PRIOR = 5, 0.5  # PRIOR: of each kind, in each bin, so that an empty bin says nothing
EVEN = 0.5 + 1e-9  # above this a pair is likelier mated than not; rounding alone does not make it so


@dataclass(frozen=True)
class Linkability:
    """How linkable templates are: 0 not at all, 1 fully.

    Attributes:
        system: D_sys, with an interval over identities.
        maximal: maximal linkability in bits, log2(1 + the laws' total variation distance), estimated in the same way.
        plug_in: D_sys by a histogram put into the formula, as it is commonly computed: too high.
        scores: shape (bins,): the middles of the bins of the curve.
        local: shape (bins,): D(s) there, by the histogram.
    """

    system: Metric
    maximal: Metric
    plug_in: float
    scores: np.ndarray
    local: np.ndarray


def chance(mated: np.ndarray, nonmated: np.ndarray, odds: float = 1.0) -> np.ndarray:
    """The chance that a score is of a mated pair, by bin.

    Args:
        mated: shape (..., bins): how many mated scores are in each bin.
        nonmated: the same of the others.
        odds: of a mated pair.
    """
    bins = mated.shape[-1]
    for_mated = odds * (mated + PRIOR) / (mated.sum(-1, keepdims=True) + PRIOR * bins)
    for_others = (nonmated + PRIOR) / (nonmated.sum(-1, keepdims=True) + PRIOR * bins)
    return np.asarray(for_mated / (for_mated + for_others))


def local_measure(eta: np.ndarray) -> np.ndarray:
    """D(s), of the chance that a score is of a mated pair."""
    return np.asarray(np.maximum(2 * eta - 1, 0))


def edges_of(comparisons: Comparisons, bins: int) -> np.ndarray:
    """Inner edges of bins that hold about the same share of the scores, mated and others counting as much together."""
    ascending = comparisons.ascending()
    mated = ascending.mated
    share = np.cumsum(np.where(mated, 0.5 / mated.sum(), 0.5 / (~mated).sum()))
    places = np.searchsorted(share, np.arange(1, bins) / bins)
    edges = np.unique(ascending.scores[np.minimum(places, len(mated) - 1)])
    return np.asarray(edges[edges < ascending.scores[-1]])  # a bin ends with its upper edge: none is left empty


def bins_for(mated: int) -> int:
    """Bins of the histogram: the more scores the finer, with ever more scores in each."""
    return max(2, round(2 * float(np.cbrt(mated))))


class CrossFit:
    """Learns the chance of being mated on some people, and uses it on the others.

    Args:
        places: shape (n,): each score's bin.
        mated: shape (n,), bool.
        first: shape (n,): the fold of whom the first template is.
        second: shape (n,): of whom the second is.
        bins: their number.
        odds: of a mated pair.
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
        """How many of these scores are in each bin, shape (bins,)."""
        return np.asarray(np.bincount(self.places[rows], weights[rows], self.bins))

    def measures(self, weights: np.ndarray) -> tuple[float, float]:
        """D_sys and maximal linkability, each score counted `weights` times."""
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
    """D_sys and its kin, from scores between templates under different keys.

    Args:
        comparisons: of one person's templates (mated), and of two persons'.
        rng: deals people into folds and draws them anew.
        odds: p(mated) / p(non-mated) that a linker starts from.
        repeats: of the bootstrap.
        confidence: confidence level of the intervals, in (0, 1).

    Raises:
        ValueError: fewer people than folds.
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
