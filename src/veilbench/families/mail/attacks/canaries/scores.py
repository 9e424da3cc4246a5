"""Scores of the canaries of one training, and the bounds of epsilon that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.metrics.audit import epsilon_in_one_run
from veilbench.metrics.gaussian_audit import epsilon_of_guesses, epsilon_of_scores


@dataclass(frozen=True)
class CanaryScores:
    """Evidence of each canary's presence in one training.

    Attributes:
        values: scores, shape (canaries,); higher for canaries that are present.
        included: whether each canary was present, by an independent coin flip, shape (canaries,).
    """

    values: np.ndarray
    included: np.ndarray

    @property
    def guesses(self) -> int:
        """Number of guesses: a third of the canaries is guessed to be present, a third absent."""
        return 2 * (len(self.values) // 3)

    def count_right(self) -> int:
        """Return how many guesses are right, with the largest and the smallest scores as evidence."""
        order, third = np.argsort(self.values, kind="stable"), self.guesses // 2
        return int(self.included[order[-third:]].sum() + (~self.included[order[:third]]).sum())

    def fit(self, delta: float) -> Metric:
        """Estimate epsilon by normal laws of the scores, with an interval whose lower end has 95 % confidence."""
        return epsilon_of_scores(self.values[self.included], self.values[~self.included], delta)

    def bound(self, delta: float) -> dict[str, Metric]:
        """Return lower bounds of epsilon from guesses: proved, the most that is provable, and proved of any mechanism.

        The first two assume that no one tells the canaries better than two Gaussians; the third assumes nothing.
        """
        right, guesses, canaries = self.count_right(), self.guesses, len(self.values)
        return {
            "epsilon_proved": epsilon_of_guesses(right, guesses, canaries, delta),
            "epsilon_provable": epsilon_of_guesses(guesses, guesses, canaries, delta),
            "epsilon_proved_any_mechanism": epsilon_in_one_run(right, guesses, canaries, delta),
        }
