"""The inverters that an inversion has trained, and what they recover of the held-out rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from veilbench.attack_methods.trained_inverse import Trained
from veilbench.bench.findings import BudgetCurve

LEAST_CEILING = 0.5  # share of the mean row's error that the best decoder counts as recovering, at least
FRACTIONS = (8, 4, 2, 1)  # the budgets of a curve over training steps, as divisors of the steps taken


@dataclass(frozen=True)
class Inverters:
    """Inverters of several kinds, trained on several numbers of rows; all errors are on held-out rows.

    Attributes:
        trained: inverters by kind and number of rows.
        mean_error: mean squared error of the mean row.
        own_error: mean squared error of the model's own decoder; infinite if it has none.
    """

    trained: Mapping[tuple[str, int], Trained]
    mean_error: float
    own_error: float = math.inf

    def sizes(self) -> list[int]:
        """Return the numbers of rows, increasing."""
        return sorted({size for _, size in self.trained})

    def best(self, size: int) -> tuple[str, int]:
        """Return the inverter with the lowest error among those trained on `size` rows."""
        return min((key for key in self.trained if key[1] == size), key=lambda key: self.trained[key].error)

    def best_attacker(self) -> str:
        """Return the name of the attacker whose result counts."""
        kind, size = self.best(self.sizes()[-1])
        return f"{kind}_{size}"

    def best_decoder(self) -> str:
        """Return the name of the best decoder: the model's own, or the best attacker if they have a lower error."""
        return "own_decoder" if self.own_error <= self._lowest() else self.best_attacker()

    def _lowest(self) -> float:
        return self.trained[self.best(self.sizes()[-1])].error

    def gain(self, error: float) -> float:
        """Return the share of what the best decoder recovers, for a mean squared error."""
        ceiling = self.mean_error - min(self.own_error, self._lowest())
        return (self.mean_error - error) / max(ceiling, LEAST_CEILING * self.mean_error)

    def by_rows(self) -> BudgetCurve:
        """Return the gain of the best attacker for increasing numbers of rows."""
        sizes = self.sizes()
        return BudgetCurve("auxiliary rows", sizes, [self.gain(self.trained[self.best(size)].error) for size in sizes])

    def by_steps(self) -> BudgetCurve | None:
        """Return the best attacker's gain for increasing numbers of training steps; None if no attacker takes steps."""
        last = [self.trained[key] for key in self.trained if key[1] == self.sizes()[-1]]
        if not (stepped := [one.errors for one in last if one.errors]):
            return None
        fixed = min((one.error for one in last if not one.errors), default=self.mean_error)
        longest = max(max(errors) for errors in stepped)
        budgets = [longest // part for part in FRACTIONS if longest // part >= min(min(errors) for errors in stepped)]
        least = [
            min(fixed, *(error for errors in stepped for step, error in errors.items() if step <= budget))
            for budget in budgets
        ]
        return BudgetCurve("training steps", budgets, [self.gain(error) for error in least])

    def budget(self) -> BudgetCurve:
        """Return the curve whose last doubling raised the gain more; one that was not doubled comes first."""
        curves = [self.by_rows()] + ([steps] if (steps := self.by_steps()) else [])
        return max(curves, key=lambda curve: float("inf") if (rise := curve.last_rise()) is None else rise)
