"""Queries to a recognition system: how many are allowed, and how many were needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.findings import BudgetCurve, Metric
from veilbench.bench.limits import Count
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.metrics.intervals import proportion


@dataclass(frozen=True)
class Queries:
    """Query limits of an attacker.

    Attributes:
        most: maximum number of queries per victim.
        limits: query limits, such as a rate limit, at which the success rate is shown; those above `most` are left out.
    """

    most: Annotated[Count, Ge(4)] = 400
    limits: Annotated[Sequence[Count], MinLen(1)] = (1, 10, 30, 100, 200, 400)


@dataclass
class QueryCounter:
    """A system that counts queries, and records for each victim the first one that was accepted.

    Attributes:
        system: recognition system that answers the queries, at its reference false match rate.
        highest: highest match score of each victim so far, shape (n,).
        first: index of the first accepted query of each victim, from 1, shape (n,); infinity if there was none yet.
        count: number of queries per victim so far.
    """

    system: TemplateSystem
    highest: np.ndarray = field(init=False)
    first: np.ndarray = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        n = len(self.system.keys)
        self.highest, self.first = np.full(n, -np.inf), np.full(n, np.inf)

    def score(self, images: np.ndarray) -> np.ndarray:
        """Return the match scores of images of shape (n, p, c, h, w) with the victims' templates, shape (n, p)."""
        n, p = images.shape[:2]
        features = self.system.scheme.features(images.reshape(n * p, *images.shape[2:]))
        return self.score_features(features.reshape(n, p, -1))

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """Return the match scores of images with known features, shape (n, p, d) to (n, p)."""
        n, p = features.shape[:2]
        scheme, rows = self.system.scheme, np.repeat(np.arange(n), p)
        templates = scheme.protect(features.reshape(n * p, -1), self.system.keys[rows])
        scores = scheme.compare(templates, self.system.templates[rows]).reshape(n, p)
        accepted = scores >= self.system.threshold
        earliest = np.where(accepted.any(1), self.count + 1 + accepted.argmax(1), np.inf)
        self.highest = np.maximum(self.highest, scores.max(1))
        self.first, self.count = np.minimum(self.first, earliest), self.count + p
        return np.asarray(scores)

    def decide(self, images: np.ndarray) -> np.ndarray:
        """Return whether images of shape (n, p, c, h, w) are accepted: 1 or 0, shape (n, p), float32."""
        return np.asarray(self.score(images) >= self.system.threshold, np.float32)

    def accepted_within(self, queries: int) -> np.ndarray:
        """Return whether an image was accepted within a number of queries, for each victim; shape (n,), bool."""
        return np.asarray(self.first <= queries)

    def share_within(self, queries: int) -> Metric:
        """Return the share of victims for whom an image was accepted within a number of queries."""
        return proportion(int(self.accepted_within(queries).sum()), len(self.first))

    def budget(self, queries: int) -> BudgetCurve:
        """Return the share of victims for whom an image was accepted, for budgets that double up to `queries`."""
        budgets = sorted({queries // divisor for divisor in (8, 4, 2, 1) if queries // divisor})
        return BudgetCurve("queries.most", budgets, [float(self.accepted_within(most).mean()) for most in budgets])


def present_dictionary(counter: QueryCounter, dictionary: np.ndarray, at_once: int) -> np.ndarray:
    """Present every dictionary image as every victim, `at_once` in a batch; return the scores, shape (n, images)."""
    n, features = len(counter.system.keys), counter.system.scheme.features(dictionary)
    parts = [features[begin : begin + at_once] for begin in range(0, len(dictionary), at_once)]
    return np.concatenate([counter.score_features(np.broadcast_to(part, (n, *part.shape))) for part in parts], 1)
