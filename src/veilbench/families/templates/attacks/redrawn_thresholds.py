"""Intervals of acceptance rates that include the uncertainty of the threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.intervals import proportion

REPEATS = 200  # bootstrap samples
LOOKED_AT = 4  # share of the comparisons that is looked at first, in false match rates


@dataclass(frozen=True)
class RedrawnThresholds:
    """Bootstrap samples over the enrolled identities, each with thresholds of its own.

    A threshold is estimated from the comparisons of some people. With other people it would be another, and accept
    other images. In a sample in which one person is drawn a times and another b times, their comparisons count a b
    times.

    Attributes:
        times: how often each victim is in each sample, shape (samples, victims).
        thresholds: maps a false match rate to each sample's threshold, shape (samples,); it may be infinite.
    """

    times: np.ndarray
    thresholds: dict[float, np.ndarray]

    @classmethod
    def draw(
        cls, comparisons: Comparisons, victims: np.ndarray, fmrs: Sequence[float], rng: np.random.Generator
    ) -> RedrawnThresholds:
        """Draw the samples.

        Args:
            comparisons: the comparisons that the system's thresholds are estimated from.
            victims: identities of the victims, shape (victims,).
            fmrs: false match rates, each in (0, 1).
            rng: source of the samples.
        """
        pairs = comparisons.ascending()
        people, places = np.unique(np.r_[pairs.first, pairs.second], return_inverse=True)
        first, second = np.split(places, 2)
        counts = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), REPEATS)
        impostors = ~pairs.mated
        made = np.zeros((len(people), len(people)), np.int64)
        np.add.at(made, (first[impostors], second[impostors]), 1)
        high = _HighScores(pairs.scores, impostors, first, second)
        totals = ((counts @ made) * counts).sum(1)
        drawn = {
            fmr: [high.find_threshold(*sample, fmr) for sample in zip(counts, totals, strict=True)] for fmr in fmrs
        }
        thresholds = {fmr: np.asarray(found, float) for fmr, found in drawn.items()}
        return cls(counts[:, np.searchsorted(people, victims)], thresholds)

    def subset(self, rows: np.ndarray) -> Self:
        """Return the samples restricted to some of the victims, by their indices or by a mask."""
        return replace(self, times=self.times[:, rows])

    def share_accepted(self, scores: np.ndarray, fmr: float, threshold: float, confidence: float = 0.95) -> Metric:
        """Return the share of scores from the threshold on, with an interval.

        The interval is the union of two: Clopper and Pearson's for the victims, with the threshold as it is; and the
        percentile interval of the bootstrap, which redraws victims and threshold together.

        Args:
            scores: one match score for each victim, shape (victims,).
            fmr: false match rate of the threshold.
            threshold: match score from which the system accepts.
            confidence: confidence level of the interval, in (0, 1).
        """
        accepted = scores >= threshold
        plain = proportion(int(accepted.sum()), len(accepted), confidence)
        in_sample = self.times.sum(1) > 0
        times, drawn = self.times[in_sample], self.thresholds[fmr][in_sample]
        if not len(drawn):
            return plain
        shares = (times * (scores[None] >= drawn[:, None])).sum(1) / times.sum(1)
        low, high = np.quantile(shares, [(1 - confidence) / 2, (1 + confidence) / 2])
        label = f"Clopper-Pearson, widened by a bootstrap of the threshold, {100 * confidence:g} %"
        return replace(plain, low=min(plain.low, float(low)), high=max(plain.high, float(high)), interval=label)


@dataclass(frozen=True)
class _HighScores:
    """Comparisons in ascending order of their scores, of which the highest are looked at first.

    Few impostors are accepted, so that a threshold depends on the highest scores alone.

    Attributes:
        scores: scores, shape (n,), ascending.
        impostors: whether two people are compared, shape (n,), bool.
        first: index of the first person, shape (n,).
        second: index of the second person, shape (n,).
    """

    scores: np.ndarray
    impostors: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def find_threshold(self, times: np.ndarray, total: int, fmr: float) -> float:
        """Return the lowest score, or infinity, from which a sample's false match rate is at most `fmr`.

        Args:
            times: how often each person is in the sample, shape (people,).
            total: number of impostor comparisons in the sample, each as often as it counts.
            fmr: false match rate in (0, 1).
        """
        if not total:
            return np.inf
        size = min(len(self.scores), math.ceil(LOOKED_AT * fmr * len(self.scores)))
        while True:
            begin = int(np.searchsorted(self.scores, self.scores[-size]))  # equal scores are accepted together
            scores, part = self.scores[begin:], slice(begin, None)
            weights = times[self.first[part]] * times[self.second[part]] * self.impostors[part]
            accepted = np.r_[weights[::-1].cumsum()[::-1], 0]
            starts = np.r_[np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]]), len(scores)]
            place = int(np.argmax(1 - (total - accepted[starts]) / total <= fmr + 1e-12))
            if place or not begin:
                return float(np.r_[scores, np.inf][starts[place]])
            size = min(len(self.scores), 2 * (len(self.scores) - begin))
