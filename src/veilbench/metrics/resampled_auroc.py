"""The AUROC of comparisons between people, with intervals of a bootstrap over these people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.biometric import Comparisons, interval

BLOCK = 50  # bootstrap samples computed at once, which bounds the memory


@dataclass(frozen=True)
class ResampledAuroc:
    """AUROC of mated against non-mated comparisons, in the sample itself and in bootstrap samples over identities.

    Attributes:
        value: AUROC of all comparisons, in [0, 1]; ties count half.
        drawn: AUROC of each bootstrap sample with both kinds of comparisons, shape (at most repeats,).
        people: number of identities that were resampled.
    """

    value: float
    drawn: np.ndarray
    people: int

    @classmethod
    def draw(cls, comparisons: Comparisons, rng: np.random.Generator, repeats: int) -> Self:
        """Draw the bootstrap samples; weights are those of `biometric.bootstrap`.

        Args:
            comparisons: mated and non-mated comparisons.
            rng: source of the bootstrap samples.
            repeats: number of bootstrap samples.
        """
        names, where = np.unique(np.r_[comparisons.first, comparisons.second], return_inverse=True)
        people = len(names)
        times = rng.multinomial(people, np.full(people, 1 / people), repeats)
        every = np.concatenate([np.ones((1, people), np.int64), times])
        first, second = np.split(where, 2)
        blocks = [every[begin : begin + BLOCK] for begin in range(0, len(every), BLOCK)]
        areas = np.concatenate([weighted_auroc(comparisons, first, second, block) for block in blocks])
        return cls(float(areas[0]), areas[1:][np.isfinite(areas[1:])], people)

    def metric(self, confidence: float) -> Metric:
        """Return the AUROC with its percentile interval at a confidence level in (0, 1)."""
        return interval(self.value, self.drawn, self.people, confidence)


def weighted_auroc(comparisons: Comparisons, first: np.ndarray, second: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the AUROC of samples in which people occur several times, shape (samples,); NaN without both kinds.

    Args:
        comparisons: mated and non-mated comparisons, n in all.
        first: index of each first template's identity, shape (n,).
        second: index of each second template's identity, shape (n,).
        times: how often each identity is in each sample, shape (samples, people). A comparison of two identities counts
            the product of their numbers, and one of a single identity its number.
    """
    mated, scores = comparisons.mated, comparisons.scores
    others = np.flatnonzero(~mated)[np.argsort(scores[~mated], kind="stable")]
    left, right = (np.searchsorted(scores[others], scores[mated], side) for side in ("left", "right"))
    below = np.zeros((len(times), len(others) + 1))
    np.cumsum(times[:, first[others]] * times[:, second[others]], axis=1, out=below[:, 1:])
    weights = times[:, first[mated]]
    won = (weights * (below[:, left] + below[:, right])).sum(1) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(won / (weights.sum(1) * below[:, -1]))
