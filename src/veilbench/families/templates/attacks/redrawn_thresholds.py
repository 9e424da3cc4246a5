"""Intervals of acceptance rates that include the uncertainty of the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.biometric import Comparisons, at_fmr, error_rates
from veilbench.metrics.intervals import proportion

REPEATS = 200  # bootstrap samples


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
        mated, counts = pairs.mated, rng.multinomial(len(people), np.full(len(people), 1 / len(people)), REPEATS)
        drawn: list[list[float]] = []
        for times in counts:
            weights = np.where(mated, times[first], times[first] * times[second]).astype(float)
            rates = error_rates(pairs.scores, mated, weights) if weights[~mated].any() else None
            drawn.append([np.inf if rates is None else at_fmr(rates, fmr).threshold or 0.0 for fmr in fmrs])
        thresholds = dict(zip(fmrs, np.asarray(drawn).T, strict=True))
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
