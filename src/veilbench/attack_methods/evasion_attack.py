"""Evasion attacks: searches with and without gradients, random noise to compare with, and gradient checks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from veilbench.attack_methods.evasion_figure import draw_success
from veilbench.attack_methods.evasion_gain import Share, gain_above_noise, share_moved
from veilbench.attack_methods.evasion_settings import EvasionSearch, Perturbations
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack, D, S
from veilbench.bench.findings import BudgetCurve, Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.metrics.intervals import proportion

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.evasion_task import EvasionTask, Search
    from veilbench.attack_methods.pgd import Bounds

NO_GRADIENT = "{} has no gradient, or the threat model does not grant what it takes"
PARTS = (2,)  # divisors of the steps and queries for the curve over the budget
NOISE_TRIALS = 8  # repetitions of the noise, so that chance is known more precisely than the gain


class EvasionAttack(Attack[S, D]):
    """Searches for adversarial examples within a norm ball, with and without gradients, and reports the success rate.

    The gain is the share of rows of the first kind that any search moves across the boundary at the reference budget,
    above the share that random noise moves; noise is drawn as often as the search restarts. If no negative control is
    given, it is the attacked model itself with random noise in place of the searches, repeated for each model.

    A failed search says nothing about a row whose score gives it nothing to follow: the gradient is zero there (without
    gradients: random changes do not change the score), or no search moves the row at the largest budget, although from
    a budget of 1 on some point beyond the boundary is known. Such rows count as not moved for the lower end of the
    gain's interval, and as moved for its upper end, so a model with masked gradients is not said to hold.

    The searches are repeated with half of their steps and queries, which tells what their last doubling gained.

    Args:
        threat: threat model; needs `score_queries`.
        positive: positive control: a model that the attack must break.
        negative: negative control: a model that the attack must not beat; None compares noise with noise.
        perturbations: norm and radii of the balls, relative to each row's distance to the boundary.
        search: budgets of the searches with and without gradients.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    labels: ClassVar[dict[str, str]]  # kind of rows -> label in figures; the first kind determines the gain
    unit: ClassVar[str]  # unit of the budgets, for the figures

    def __init__(
        self,
        threat: ThreatModel,
        positive: S,
        negative: S | None,
        perturbations: Perturbations,
        search: EvasionSearch,
        broken_threshold: float,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.perturbations, self.search = perturbations, search

    @abstractmethod
    def tasks(self, target: S, data: D, rng: np.random.Generator) -> Sequence[EvasionTask]:
        """Return one task for each of `labels`; fewer if there are no rows for the last ones."""

    @abstractmethod
    def bounds(self, data: D) -> Bounds:
        """Return the smallest and largest value allowed in a row, or None."""

    @abstractmethod
    def white_box(self, target: S) -> bool:
        """Return whether the model is differentiable and the threat model grants access to its gradients."""

    def share_of(
        self, task: EvasionTask, searches: Mapping[str, Search], device: torch.device, rng: np.random.Generator
    ) -> Share:
        """Return the function that gives the share of moved rows an interval; by default Clopper and Pearson's.

        Args:
            task: rows that were moved.
            searches: the searches that moved them, by name.
            device: torch device to compute on.
            rng: source of the random numbers of searches.
        """
        return share_moved

    def run(self, target: S, data: D, accelerator: Accelerator, rng: np.random.Generator, control: bool) -> Findings:
        """Run the attack; a control uses only the first kind of rows and the budgets up to the reference budget."""
        self.threat.require("score_queries")
        device, bounds, white = accelerator.device(), self.bounds(data), self.white_box(target)
        found = Findings(f"{self.title} ({self.perturbations.norm})")
        tasks = self.tasks(target, data, rng)
        for name, task in list(zip(self.labels, tasks, strict=False))[: 1 if control else None]:
            success = self._success(task, bounds, device, rng, control, white)
            self._report(found, name, task, success)
            if name == next(iter(self.labels)):
                self._judge(found, task, success, bounds, device, rng, control, white)
                found.notes += [] if white else [self._bound(target, success)]
            if not control:
                found.notes += self._doubts(name, task, success, bounds, device, rng)
        if missing := list(self.labels.values())[len(tasks) :]:
            found.notes.append(f"There are no rows to attack for: {', '.join(missing)}.")
        return found

    def _bound(self, target: S, success: dict[str, np.ndarray]) -> str:
        searches = "Gradients of a surrogate only" if "surrogate" in success else "Search without gradients only"
        reason = NO_GRADIENT.format(type(target).__name__)
        return f"{searches}: {reason}. The result is a lower bound: with gradients, many more rows may be moved."

    def _judge(
        self,
        found: Findings,
        task: EvasionTask,
        success: dict[str, np.ndarray],
        bounds: Bounds,
        device: torch.device,
        rng: np.random.Generator,
        control: bool,
        white: bool,
    ) -> None:
        """Report the gain; for the target, its curve over the budget and the rows that nothing is known about, too."""
        reference = self.perturbations.ascending().index(self.perturbations.reference_budget)
        moved, chances = success["any"][reference], success["noise"][reference]
        share = self.share_of(task, self._searches(bounds, white), device, rng)
        blind = self._blind(task, bounds, device, rng, white) & ~moved
        unreached = (
            ~success["any"][-1] if self.perturbations.ascending()[-1] >= 1 and not control else np.zeros_like(blind)
        )
        found.gain = gain_above_noise(moved, chances, share, blind | unreached)
        if blind.any():
            what = "its gradient is zero" if white else "random changes do not change it"
            found.notes.append(f"The score gives a search nothing to follow at {blind.mean():.0%} of the rows: {what}.")
        if not control:
            found.budget = self._budget(task, moved, chances, bounds, device, rng, white)

    def _blind(
        self, task: EvasionTask, bounds: Bounds, device: torch.device, rng: np.random.Generator, white: bool
    ) -> np.ndarray:
        """Return which rows give a search nothing to follow, shape (n,), bool."""
        from veilbench.attack_methods.gradient_checks import without_gradient, without_response

        if white:
            return without_gradient(task, device)
        budget = self.perturbations.reference_budget
        return without_response(task, self.perturbations.norm, budget, bounds, device, rng)

    def _budget(
        self,
        task: EvasionTask,
        moved: np.ndarray,
        chances: np.ndarray,
        bounds: Bounds,
        device: torch.device,
        rng: np.random.Generator,
        white: bool,
    ) -> BudgetCurve:
        """Return the gain with fewer and with all steps and queries; fewer, if possible, are a half (`PARTS`)."""
        most = min(self.search.steps, self.search.queries) if white else self.search.queries
        parts = [part for part in PARTS if most >= part]
        shorter = [self._search_all(task, self._searches(bounds, white, part), True, device, rng) for part in parts]
        gains = [gain_above_noise(np.any(list(found.values()), axis=0)[-1], chances).value for found in shorter]
        whole = self.search.steps if white else self.search.queries
        setting = "steps (and queries likewise)" if white else "queries"
        gains.append(gain_above_noise(moved, chances).value)
        return BudgetCurve(setting, [*(whole // part for part in parts), whole], gains)

    def _own_control(
        self, target: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Compare noise with noise on the attacked model itself."""
        from veilbench.attack_methods.evasion_task import success_curve

        rng, device, bounds = np.random.default_rng(seed), trainer.device(), self.bounds(data)
        task, budgets = self.tasks(target, data, rng)[0], self.perturbations.ascending(to_reference=True)
        noise = success_curve(task, self._noise(bounds), budgets, device, rng)[-1]
        gain = gain_above_noise(noise, self._chance(task, bounds, device, rng, True)[-1])
        return f"{type(target).__name__} met with noise", gain

    def _descent(self, steps: int, bounds: Bounds) -> Search:
        from veilbench.attack_methods.pgd import pgd

        norm, restarts = self.perturbations.norm, self.search.restarts
        return lambda score, rows, radii, draw: pgd(score, rows, radii, norm, steps, restarts, draw, bounds)

    def _noise(self, bounds: Bounds) -> Search:
        from veilbench.attack_methods.pgd import best_noise

        norm, draws = self.perturbations.norm, self.search.restarts
        return lambda score, rows, radii, draw: best_noise(score, rows, radii, norm, draws, draw, bounds)

    def _random_search(self, queries: int, bounds: Bounds) -> Search:
        from veilbench.attack_methods.square import square

        norm = self.perturbations.norm
        return lambda score, rows, radii, draw: square(score, rows, radii, norm, queries, draw, bounds)

    def _searches(self, bounds: Bounds, white: bool, part: int = 1) -> dict[str, Search]:
        """Return the searches by name, with one in `part` of their steps and queries."""
        descent = self._descent(self.search.steps // part, bounds)
        searches = {"gradient": descent} if white else {"surrogate": descent}
        return searches | {"search": self._random_search(self.search.queries // part, bounds)}

    def _search_all(
        self,
        task: EvasionTask,
        searches: dict[str, Search],
        to_reference: bool,
        device: torch.device,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Return the success of each search that applies, shape (budgets, rows), by its name."""
        from veilbench.attack_methods.evasion_task import success_curve

        budgets, success = self.perturbations.ascending(to_reference), {}
        for key, search in searches.items():
            if scored := task.surrogate() if key == "surrogate" else task:
                success[key] = success_curve(scored, search, budgets, device, rng)
        return success

    def _chance(
        self, task: EvasionTask, bounds: Bounds, device: torch.device, rng: np.random.Generator, control: bool
    ) -> np.ndarray:
        """Return each row's probability of success with random noise at each budget, shape (budgets, rows)."""
        from veilbench.attack_methods.evasion_task import success_curve

        budgets = self.perturbations.ascending(to_reference=control)
        trials = [success_curve(task, self._noise(bounds), budgets, device, rng) for _ in range(NOISE_TRIALS)]
        return np.asarray(np.mean(trials, axis=0))

    def _success(
        self,
        task: EvasionTask,
        bounds: Bounds,
        device: torch.device,
        rng: np.random.Generator,
        control: bool,
        white: bool,
    ) -> dict[str, np.ndarray]:
        """Return the success of each search at each budget or a smaller one, shape (budgets, rows)."""
        budgets = self.perturbations.ascending(to_reference=control)
        success = self._search_all(task, self._searches(bounds, white), control, device, rng)
        together = np.any(list(success.values()), axis=0)
        paths = [path for budget in budgets if (path := task.straight_path(budget)) is not None]
        if paths:
            success["straight_path"] = np.logical_or.accumulate(paths)
        return success | {"any": together, "noise": self._chance(task, bounds, device, rng, control)}

    def _report(self, found: Findings, name: str, task: EvasionTask, success: dict[str, np.ndarray]) -> None:
        budgets, n = self.perturbations.ascending()[: len(success["any"])], len(task.rows)
        reference = budgets.index(self.perturbations.reference_budget)
        names = {"any": name, "gradient": f"{name}_by_gradient", "search": f"{name}_without_gradient"}
        names["surrogate"] = f"{name}_by_surrogate"
        for key in success.keys() & names.keys():
            found.metrics[names[key]] = proportion(int(success[key][reference].sum()), n)
        for budget, moved in zip(budgets, success["any"], strict=True):
            found.metrics[f"{name}_at_{budget:g}"] = proportion(int(moved.sum()), n)
        found.metrics[f"{name}_by_noise"] = Metric.exact(float(success["noise"][reference].mean()), n, "share")
        reached = success["any"][-1] | success.get("straight_path", success["any"])[-1]
        found.metrics[f"{name}_at_largest_budget"] = proportion(int(reached.sum()), n)
        if half := [b for b, moved in zip(budgets, success["any"], strict=True) if moved.mean() >= 0.5]:
            found.metrics[f"{name}_half_at"] = Metric.exact(half[0], n)
        x_label = f"budget ({self.perturbations.norm}, {self.unit})"
        found.figures.append(draw_success(self.title, self.labels[name], x_label, budgets, success))

    def _doubts(
        self,
        name: str,
        task: EvasionTask,
        success: dict[str, np.ndarray],
        bounds: Bounds,
        device: torch.device,
        rng: np.random.Generator,
    ) -> list[str]:
        from veilbench.attack_methods.gradient_checks import GradientChecks

        checks = GradientChecks(self.labels[name], self.perturbations, self.search.steps)
        if "gradient" in success:
            short = self._descent(max(1, self.search.steps // 4), bounds)
            return checks.check_gradients(task, success, short, device, rng)
        return checks.check_reach(success)
