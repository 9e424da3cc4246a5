"""Evasion attacks: searches with and without gradients, random noise to compare with, and gradient checks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE, Attack, D, S
from veilbench.bench.findings import Control, Curve, Figure, Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.metrics.intervals import above_chance, ends, proportion
from veilbench.metrics.nearest import Norm

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.case import Case, Search
    from veilbench.attack_methods.pgd import Box

NO_GRADIENT = "{} has no gradient, or the threat model does not grant what it takes"
NOISE_TRIALS = 8  # repetitions of the noise, so that chance is known more precisely than the gain


class EvasionAttack(Attack[S, D]):
    """Searches for adversarial examples within a norm ball, with and without gradients, and reports the success rate.

    The gain is the share of rows of the first kind that any search moves across the boundary at the budget
    `reference_budget`, above the share that random noise moves with `restarts` draws. If no negative control is given,
    it is the attacked model itself with random noise in place of the searches, repeated for each model.

    Args:
        threat: threat model; needs `score_queries`.
        positive: positive control: a model that the attack must break.
        negative: negative control: a model that the attack must not beat; None compares noise with noise.
        norm: norm of the perturbation, "l2" or "linf".
        budgets: perturbation budgets of the success curve, relative to each row's `reach`.
        steps: steps of each gradient descent.
        restarts: gradient descents per row: the first from the row itself, the others from random points in its ball.
        queries: score queries of the search without gradients.
        reference_budget: budget at which the gain is measured, one of `budgets`.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    labels: ClassVar[dict[str, str]]  # kind of rows -> label in figures; the first kind determines the gain
    unit: ClassVar[str]  # unit of the budgets, for the figures

    def __init__(
        self,
        threat: ThreatModel,
        positive: S,
        negative: S | None,
        norm: Norm,
        budgets: Sequence[float],
        steps: int,
        restarts: int,
        queries: int,
        reference_budget: float,
        broken_threshold: float,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if reference_budget not in budgets:
            raise ValueError(f"reference_budget={reference_budget} must be one of budgets={list(budgets)}")
        self.norm, self.budgets, self.reference_budget = norm, sorted(budgets), reference_budget
        self.steps, self.restarts, self.queries = steps, restarts, queries

    @abstractmethod
    def cases(self, target: S, data: D, rng: np.random.Generator) -> Sequence[Case]:
        """Return one task for each of `labels`; fewer if there are no rows for the last ones."""

    @abstractmethod
    def box(self, data: D) -> Box:
        """Return the smallest and largest value allowed in a row, or None."""

    @abstractmethod
    def white_box(self, target: S) -> bool:
        """Return whether the model is differentiable and the threat model grants access to its gradients."""

    def run(self, target: S, data: D, accelerator: Accelerator, rng: np.random.Generator, control: bool) -> Findings:
        """Run the attack; a control uses only the first kind of rows and the budgets up to `reference_budget`."""
        self.threat.require("score_queries")
        device, box, white = accelerator.device(), self.box(data), self.white_box(target)
        found = Findings(f"{self.title} ({self.norm})")
        sides = self.cases(target, data, rng)
        for name, case in list(zip(self.labels, sides, strict=False))[: 1 if control else None]:
            crossed = self._crossed(case, box, device, rng, control, white)
            self._report(found, name, case, crossed)
            if not control:
                found.notes += self._doubts(name, case, crossed, box, device, rng)
            if not white and name == next(iter(self.labels)):
                found.notes.append(f"{self._blind(crossed)}: {NO_GRADIENT.format(type(target).__name__)}.")
        if missing := list(self.labels.values())[len(sides) :]:
            found.notes.append(f"There are no rows to attack for: {', '.join(missing)}.")
        return found

    def _blind(self, crossed: dict[str, np.ndarray]) -> str:
        return "Gradients of a surrogate only" if "surrogate" in crossed else "Search without gradients only"

    def _own_control(self, target: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence) -> Control:
        """Compare noise with noise on the attacked model itself."""
        from veilbench.attack_methods.case import climb

        rng, device, box = np.random.default_rng(seed), trainer.device(), self.box(data)
        case = self.cases(target, data, rng)[0]
        again = climb(case, self._noise(box), self._budgets(True), device, rng)[-1]
        gain = self._gain(again, self._chance(case, box, device, rng, True)[-1])
        return Control("negative", f"{type(target).__name__} met with noise", gain, gain.low <= 0)

    def _budgets(self, control: bool) -> list[float]:
        return [budget for budget in self.budgets if budget <= self.reference_budget or not control]

    def _descent(self, steps: int, box: Box) -> Search:
        from veilbench.attack_methods.pgd import pgd

        return lambda score, rows, radii, draw: pgd(score, rows, radii, self.norm, steps, self.restarts, draw, box)

    def _noise(self, box: Box) -> Search:
        from veilbench.attack_methods.pgd import best_noise

        return lambda score, rows, radii, draw: best_noise(score, rows, radii, self.norm, self.restarts, draw, box)

    def _chance(
        self, case: Case, box: Box, device: torch.device, rng: np.random.Generator, control: bool
    ) -> np.ndarray:
        """Return each row's probability of success with random noise at each budget, shape (budgets, rows)."""
        from veilbench.attack_methods.case import climb

        trials = [climb(case, self._noise(box), self._budgets(control), device, rng) for _ in range(NOISE_TRIALS)]
        return np.asarray(np.mean(trials, axis=0))

    def _crossed(
        self, case: Case, box: Box, device: torch.device, rng: np.random.Generator, control: bool, white: bool
    ) -> dict[str, np.ndarray]:
        """Return the success of each search at each budget or a smaller one, shape (budgets, rows)."""
        from veilbench.attack_methods.case import climb
        from veilbench.attack_methods.square import square

        searches: dict[str, Search] = {
            "search": lambda score, rows, radii, draw: square(score, rows, radii, self.norm, self.queries, draw, box)
        }
        if white:
            searches = {"gradient": self._descent(self.steps, box)} | searches
        crossed = {key: climb(case, search, self._budgets(control), device, rng) for key, search in searches.items()}
        if surrogate := case.surrogate():
            budgets = self._budgets(control)
            crossed["surrogate"] = climb(surrogate, self._descent(self.steps, box), budgets, device, rng)
        together = np.any(list(crossed.values()), axis=0)
        walks = [way for budget in self._budgets(control) if (way := case.walked(budget)) is not None]
        if walks:
            crossed["walk"] = np.logical_or.accumulate(walks)
        return crossed | {"any": together, "noise": self._chance(case, box, device, rng, control)}

    def _gain(self, crossed: np.ndarray, chances: np.ndarray) -> Metric:
        measured, chance = proportion(int(crossed.sum()), len(crossed), CONFIDENCE), float(chances.mean())
        return (
            above_chance(measured, chance)
            if chance < 1
            else Metric(0.0, 0.0, 0.0, len(crossed), "noise reaches all rows")
        )

    def _report(self, found: Findings, name: str, case: Case, crossed: dict[str, np.ndarray]) -> None:
        budgets, n = self.budgets[: len(crossed["any"])], len(case.rows)
        judged = budgets.index(self.reference_budget)
        if name == next(iter(self.labels)):
            found.gain = self._gain(crossed["any"][judged], crossed["noise"][judged])
        names = {"any": name, "gradient": f"{name}_by_gradient", "search": f"{name}_without_gradient"}
        names["surrogate"] = f"{name}_by_surrogate"
        for key in crossed.keys() & names.keys():
            found.metrics[names[key]] = proportion(int(crossed[key][judged].sum()), n)
        for budget, across in zip(budgets, crossed["any"], strict=True):
            found.metrics[f"{name}_at_{budget:g}"] = proportion(int(across.sum()), n)
        found.metrics[f"{name}_by_noise"] = Metric.exact(float(crossed["noise"][judged].mean()), n, "share")
        reached = crossed["any"][-1] | crossed.get("walk", crossed["any"])[-1]
        found.metrics[f"{name}_at_largest_budget"] = proportion(int(reached.sum()), n)
        if half := [b for b, across in zip(budgets, crossed["any"], strict=True) if across.mean() >= 0.5]:
            found.metrics[f"{name}_half_at"] = Metric.exact(half[0], n)
        curves = [
            Curve(
                f"{self.labels[name]}, {key}", budgets, *ends([proportion(int(row.sum()), n) for row in crossed[key]])
            )
            for key in ("gradient", "surrogate", "search", "walk")
            if key in crossed
        ]
        noise = Curve(f"{self.labels[name]}, noise", budgets, list(crossed["noise"].mean(1)))
        title, x_label = f"{self.title}: {self.labels[name]}", f"budget ({self.norm}, {self.unit})"
        found.figures.append(
            Figure(title, x_label, "share of rows", [*curves, noise], log_x=True, control_curves=[noise.name])
        )

    def _doubts(
        self,
        name: str,
        case: Case,
        crossed: dict[str, np.ndarray],
        box: Box,
        device: torch.device,
        rng: np.random.Generator,
    ) -> list[str]:
        from veilbench.attack_methods.gradient_checks import GradientChecks

        doubts = GradientChecks(self.labels[name], self.budgets, self.budgets.index(self.reference_budget), self.steps)
        if "gradient" in crossed:
            short = self._descent(max(1, self.steps // 4), box)
            return doubts.of_gradients(case, crossed, short, device, rng)
        return doubts.of_reach(crossed)
