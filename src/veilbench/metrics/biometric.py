"""Verification and identification: error rates, ranks, and their intervals over identities (ISO/IEC 19795-1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.intervals import proportion

FEWEST_ERRORS = 10
"""Number of false matches expected at an FMR for it to be resolved: the relative deviation is then about a third.

The rule of three would allow 3 / FMR comparisons, but only to show that the rate is lower than that; and comparisons
that share a person are not independent, so even ten is generous.
"""


@dataclass(frozen=True)
class Comparisons:
    """Comparison scores of pairs of templates.

    Attributes:
        scores: comparison scores, shape (n,); higher is more similar.
        first: identity of each first template, shape (n,), int64.
        second: identity of each second template, shape (n,), int64.
    """

    scores: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def __post_init__(self) -> None:
        if not self.scores.shape == self.first.shape == self.second.shape or self.scores.ndim != 1:
            raise ValueError(f"{self.scores.shape} scores for identities {self.first.shape} and {self.second.shape}")
        if not np.isfinite(self.scores).all():
            raise ValueError("some scores are not finite")
        if not 0 < self.mated.sum() < len(self.scores):
            raise ValueError("comparisons must be both of one identity and of two")

    @classmethod
    def of_all(cls, scores: np.ndarray, first: np.ndarray, second: np.ndarray) -> Comparisons:
        """Pair all rows with all columns, from scores of shape (rows, columns) and the identities of both."""
        rows, columns = np.repeat(first, len(second)), np.tile(second, len(first))
        return cls(np.ascontiguousarray(scores).ravel(), rows, columns)

    @property
    def mated(self) -> np.ndarray:
        """Return whether both templates are of the same identity, shape (n,)."""
        return np.asarray(self.first == self.second)

    def ascending(self) -> Comparisons:
        """Return the comparisons sorted by score."""
        order = np.argsort(self.scores, kind="stable")
        return Comparisons(self.scores[order], self.first[order], self.second[order])


@dataclass(frozen=True)
class ErrorRates:
    """Error rates when scores at or above a threshold are accepted, for all relevant thresholds in ascending order.

    Attributes:
        thresholds: the distinct scores, and infinity, shape (k,).
        fmr: false match rate: the share of non-mated comparisons that are accepted, shape (k,).
        fnmr: false non-match rate: the share of mated comparisons that are rejected, shape (k,).
    """

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray


def error_rates(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray | None = None) -> ErrorRates:
    """Compute the error rates at all thresholds.

    Args:
        scores: comparison scores, shape (n,).
        mated: whether both templates are of one identity, shape (n,), bool.
        weights: how often each comparison counts, shape (n,); None counts each once.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    if not (scores[1:] >= scores[:-1]).all():  # those of a bootstrap are sorted already
        order = np.argsort(scores, kind="stable")
        scores, mated, weights = scores[order], mated[order], weights[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    below = [np.r_[0.0, np.cumsum(weights * kind)] for kind in (mated, ~mated)]
    genuine, impostor = (sums[np.r_[starts, len(scores)]] / sums[-1] for sums in below)
    return ErrorRates(np.r_[scores[starts], np.inf], 1 - impostor, genuine)


def equal_error_rate(rates: ErrorRates) -> float:
    """Return the equal error rate, by linear interpolation between the neighbouring thresholds."""
    difference = rates.fnmr - rates.fmr
    after = int(np.argmax(difference >= 0))
    before = max(after - 1, 0)
    gap = difference[after] - difference[before]
    part = -difference[before] / gap if gap > 0 else 0.0
    return float(rates.fmr[before] + part * (rates.fmr[after] - rates.fmr[before]))


@dataclass(frozen=True)
class OperatingPoint:
    """Performance of a system at a given false match rate.

    Attributes:
        tmr: true match rate.
        threshold: score threshold.
    """

    tmr: float
    threshold: float


def refusal(impostors: int, fmr: float) -> str:
    """Return why a number of impostor comparisons cannot resolve a false match rate; empty if it can."""
    if impostors * fmr >= FEWEST_ERRORS:
        return ""
    needed = int(np.ceil(FEWEST_ERRORS / fmr))
    return f"FMR {fmr:g} needs {needed:,} comparisons of two identities for {FEWEST_ERRORS} errors; {impostors:,} made"


def at_fmr(rates: ErrorRates, fmr: float) -> OperatingPoint:
    """Return the lowest threshold whose false match rate is at most `fmr`, whatever the number of comparisons."""
    place = int(np.argmax(rates.fmr <= fmr + 1e-12))
    return OperatingPoint(float(1 - rates.fnmr[place]), float(rates.thresholds[place]))


def ranks(similarities: np.ndarray, probes: np.ndarray, enrolled: np.ndarray) -> np.ndarray:
    """Return the rank of each probe's own identity, from 1; shape (probes,), int64.

    An identity is ranked by its best template. Ties count against the probe, so a constant score ranks last.

    Args:
        similarities: similarity of each probe with each enrolled template, shape (probes, templates).
        probes: identity of each probe, shape (probes,).
        enrolled: identity of each enrolled template, shape (templates,).

    Raises:
        ValueError: a probe's identity is not enrolled.
    """
    if missing := set(probes.tolist()) - set(enrolled.tolist()):
        raise ValueError(f"identity {min(missing)} is among the probes, but not enrolled")
    order = np.argsort(enrolled, kind="stable")
    people, starts = np.unique(enrolled[order], return_index=True)
    best = np.maximum.reduceat(similarities[:, order], starts, axis=1)
    own = np.take_along_axis(best, np.searchsorted(people, probes)[:, None], 1)
    return np.asarray((best >= own).sum(1), np.int64)


def cmc(found: np.ndarray, most: int) -> np.ndarray:
    """Return the cumulative match curve: the share of probes with rank 1, 2, ..., `most` or better; shape (most,)."""
    return np.asarray([(found <= rank).mean() for rank in range(1, most + 1)])


Statistics = Callable[[np.ndarray, np.ndarray, np.ndarray], Sequence[float]]
"""Function of scores, mated flags and weights that returns statistics."""


def bootstrap(
    comparisons: Comparisons,
    statistics: Statistics,
    rng: np.random.Generator,
    repeats: int = 200,
    confidence: float = 0.95,
) -> list[Metric]:
    """Compute statistics with percentile intervals of a bootstrap over identities and all their comparisons.

    If one identity is drawn a times and another b times, their comparisons count a * b times; an identity's own count a
    times.
    """
    sorted_ones = comparisons.ascending()
    people, where = np.unique(np.r_[sorted_ones.first, sorted_ones.second], return_inverse=True)
    first, second = np.split(where, 2)
    mated = sorted_ones.mated
    values = statistics(sorted_ones.scores, mated, np.ones(len(mated)))
    drawn = []
    for times in rng.multinomial(len(people), np.full(len(people), 1 / len(people)), repeats):
        weights = np.where(mated, times[first], times[first] * times[second]).astype(float)
        if weights[mated].any() and weights[~mated].any():
            drawn.append(statistics(sorted_ones.scores, mated, weights))
    columns = np.asarray(drawn).T
    return [interval(value, column, len(people), confidence) for value, column in zip(values, columns, strict=True)]


def over_identities(
    values: np.ndarray, identities: np.ndarray, rng: np.random.Generator, repeats: int = 1000, confidence: float = 0.95
) -> Metric:
    """Compute the mean of shares (such as hits) with a percentile interval of a bootstrap over identities.

    Args:
        values: values in [0, 1], shape (n,).
        identities: identity of each value, shape (n,).
        rng: source of the bootstrap samples.
        repeats: number of bootstrap samples.
        confidence: confidence level of the interval, in (0, 1).
    """
    people, where = np.unique(identities, return_inverse=True)
    sums, counts = np.bincount(where, values), np.bincount(where)
    times = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), repeats)
    return interval(float(np.mean(values)), times @ sums / (times @ counts), len(people), confidence)


def interval(value: float, drawn: np.ndarray, people: int, confidence: float = 0.95) -> Metric:
    """Return the percentile interval of a share, extended to contain the value.

    If all bootstrap samples agree, the interval has no width, however few people there are. If this happens at 0 or 1,
    the Clopper-Pearson interval for this number of people is used instead.
    """
    if value in (0.0, 1.0) and (drawn == value).all():
        return proportion(round(value * people), people, confidence)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    label = f"bootstrap over identities, {100 * confidence:g} %"
    return Metric(value, min(float(low), value), max(float(high), value), people, label, "share")
