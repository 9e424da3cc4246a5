"""Adversarial examples against a detector: anomalies hidden below its threshold, and false alarms raised above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, MinLen

from veilbench.accelerator import Accelerator
from veilbench.attacks.base import CONFIDENCE, Attack
from veilbench.data.rows import Rows
from veilbench.findings import Control, Curve, Figure, Findings, Metric
from veilbench.metrics.intervals import above_chance, ends, proportion
from veilbench.representations.base import Detector, DifferentiableDetector
from veilbench.threat import ThreatModel

if TYPE_CHECKING:
    import torch

    from veilbench.attacks.evasion_cases import Case, Search
    from veilbench.attacks.pgd import Box

NOISE_TRIALS = 8  # repetitions of the control, so that chance is known better than what is compared with it
LABELS = {"hidden": "anomalies hidden", "alarms": "false alarms raised"}


class Evasion(Attack[Detector, Rows]):
    """Moves test rows across the threshold, which is a quantile of the scores of held-out normal rows.

    A budget of 1 is a row's own distance from the nearest row on the other side: an anomaly's from the nearest
    training row that passes, a normal row's from the nearest test anomaly that is caught. From 1 on, every row can be
    moved, for it may become its neighbour: the curve `walk` goes there in a straight line and reaches 100 % at 1. It
    asks nothing of the detector and does not count for the gain; a search that stays below it there has failed, and
    the notes say so. Only
    anomalies that are caught and normal rows that pass are attacked.

    So at `judged_at` = 1 the distance from the mean, `InputNorm`, is a positive control that can always be evaded, and
    a detector that is broken there is not shown to be worse than it has to be: `hidden_half_at`, the least budget
    that hides half of the anomalies, compares detectors. Below 1 a verdict says more, and needs a positive control
    that can be evaded there on this data.

    The gain is the share of anomalies hidden at the budget `judged_at`, by any of the searches, above what as many
    draws of random noise as there are restarts hide; false alarms are reported beside it. The negative control, where
    none is given, is the subject itself met with noise alone; it is made anew for each subject. A detector without a
    gradient, or a threat model without `weights`, leaves the search without gradients alone.

    Args:
        threat: needs `score_queries`; `weights` for the search by gradients.
        positive: a detector that this budget suffices to evade.
        negative: see above.
        norm: of the changes.
        budgets: of the curve, in units of the distance described above.
        steps: of each descent by gradients.
        restarts: descents, the first from the row itself, the others from random places in its ball.
        queries: of the search without gradients.
        judged_at: the budget of the gain, one of `budgets`.
        quantile: of the validation rows' scores: the threshold.
        most_rows: attacked of each kind.
        broken_at: see `Attack`.
    """

    title = "Evasion"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Detector,
        negative: Detector | None = None,
        norm: Literal["l2", "linf"] = "l2",
        budgets: Annotated[Sequence[Annotated[float, Gt(0)]], MinLen(1)] = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
        steps: Annotated[int, Ge(1)] = 40,
        restarts: Annotated[int, Ge(1)] = 3,
        queries: Annotated[int, Ge(1)] = 500,
        judged_at: Annotated[float, Gt(0)] = 1.0,
        quantile: Annotated[float, Gt(0)] = 0.95,
        most_rows: Annotated[int, Ge(1)] = 256,
        broken_at: float = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_at)
        if judged_at not in budgets:
            raise ValueError(f"judged_at={judged_at} must be one of budgets={list(budgets)}")
        if not 0 < quantile < 1:
            raise ValueError(f"quantile={quantile} must be in (0, 1)")
        self.norm, self.budgets, self.judged_at, self.quantile = norm, sorted(budgets), judged_at, quantile
        self.steps, self.restarts, self.queries, self.most_rows = steps, restarts, queries, most_rows

    def run(
        self, subject: Detector, rows: Rows, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """See `Attack.run`; a control hides anomalies only, with the budgets up to `judged_at`."""
        from veilbench.attacks.evasion_cases import box_of, cases

        self.threat.require("score_queries")
        device, box = accelerator.device(), box_of(rows)
        found = Findings(f"{self.title} ({self.norm})")
        sides = cases(subject, rows, self.quantile, self.norm, self.most_rows, rng)
        for name, case in list(zip(LABELS, sides, strict=True))[: 1 if control else 2]:
            crossed = self._crossed(case, box, device, rng, control)
            self._report(found, name, case, crossed)
            if not control:
                found.notes += self._doubts(name, case, crossed, box, device, rng)
        if not self._white_box(subject):
            found.notes.append("Search without gradients only: the detector has none, or the threat model no weights.")
        return found

    def _own_control(
        self, subject: Detector, data: Rows, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """Noise against noise, on the subject itself."""
        from veilbench.attacks.evasion_cases import box_of, cases, climb

        rng, device, box = np.random.default_rng(seed), trainer.device(), box_of(data)
        case, _ = cases(subject, data, self.quantile, self.norm, self.most_rows, rng)
        again = climb(case, self._noise(box), self._budgets(True), device, rng)[-1]
        gain = self._gain(again, self._chance(case, box, device, rng, True)[-1])
        return Control("negative", f"{type(subject).__name__} met with noise", gain, gain.low <= 0)

    def _white_box(self, subject: Detector) -> bool:
        return isinstance(subject, DifferentiableDetector) and self.threat.weights

    def _budgets(self, control: bool) -> list[float]:
        return [budget for budget in self.budgets if budget <= self.judged_at or not control]

    def _descent(self, steps: int, box: Box) -> Search:
        from veilbench.attacks.pgd import pgd

        return lambda score, rows, radii, draw: pgd(score, rows, radii, self.norm, steps, self.restarts, draw, box)

    def _noise(self, box: Box) -> Search:
        from veilbench.attacks.pgd import best_noise

        return lambda score, rows, radii, draw: best_noise(score, rows, radii, self.norm, self.restarts, draw, box)

    def _chance(
        self, case: Case, box: Box, device: torch.device, rng: np.random.Generator, control: bool
    ) -> np.ndarray:
        """Each row's chance to be moved across by noise at each budget, shape (budgets, rows)."""
        from veilbench.attacks.evasion_cases import climb

        trials = [climb(case, self._noise(box), self._budgets(control), device, rng) for _ in range(NOISE_TRIALS)]
        return np.asarray(np.mean(trials, axis=0))

    def _crossed(
        self, case: Case, box: Box, device: torch.device, rng: np.random.Generator, control: bool
    ) -> dict[str, np.ndarray]:
        """For each search who is across at a budget or a smaller one, shape (budgets, rows)."""
        from veilbench.attacks.evasion_cases import climb
        from veilbench.attacks.square import square

        searches: dict[str, Search] = {
            "search": lambda score, rows, radii, draw: square(score, rows, radii, self.norm, self.queries, draw, box)
        }
        if self._white_box(case.detector):
            searches = {"gradient": self._descent(self.steps, box)} | searches
        crossed = {key: climb(case, search, self._budgets(control), device, rng) for key, search in searches.items()}
        together = np.any(list(crossed.values()), axis=0)
        walked = climb(case, case.walk, self._budgets(control), device, rng)
        return crossed | {"walk": walked, "any": together, "noise": self._chance(case, box, device, rng, control)}

    def _gain(self, crossed: np.ndarray, chances: np.ndarray) -> Metric:
        measured, chance = proportion(int(crossed.sum()), len(crossed), CONFIDENCE), float(chances.mean())
        return (
            above_chance(measured, chance) if chance < 1 else Metric(0.0, 0.0, 0.0, len(crossed), "noise does it all")
        )

    def _report(self, found: Findings, name: str, case: Case, crossed: dict[str, np.ndarray]) -> None:
        budgets, n = self.budgets[: len(crossed["any"])], len(case.rows)
        judged = budgets.index(self.judged_at)
        if name == "hidden":
            found.gain = self._gain(crossed["any"][judged], crossed["noise"][judged])
        names = {"any": name, "gradient": f"{name}_by_gradient", "search": f"{name}_without_gradient"}
        for key in crossed.keys() & names.keys():
            found.metrics[names[key]] = proportion(int(crossed[key][judged].sum()), n)
        found.metrics[f"{name}_by_noise"] = Metric.exact(float(crossed["noise"][judged].mean()), n, "share")
        reached = crossed["any"][-1] | crossed["walk"][-1]
        found.metrics[f"{name}_at_largest_budget"] = proportion(int(reached.sum()), n)
        if half := [b for b, across in zip(budgets, crossed["any"], strict=True) if across.mean() >= 0.5]:
            found.metrics[f"{name}_half_at"] = Metric.exact(half[0], n)
        curves = [
            Curve(f"{LABELS[name]}, {key}", budgets, *ends([proportion(int(row.sum()), n) for row in crossed[key]]))
            for key in ("gradient", "search", "walk")
            if key in crossed
        ]
        noise = Curve(f"{LABELS[name]}, noise", budgets, list(crossed["noise"].mean(1)))
        title, x_label = f"Evasion: {LABELS[name]}", f"budget ({self.norm}, 1 = distance to the other side)"
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
        from veilbench.attacks.gradient_checks import GradientChecks

        doubts = GradientChecks(LABELS[name], self.budgets, self.budgets.index(self.judged_at), self.steps)
        if "gradient" in crossed:
            short = self._descent(max(1, self.steps // 4), box)
            return doubts.of_gradients(case, crossed, short, device, rng)
        return doubts.of_reach(crossed)
