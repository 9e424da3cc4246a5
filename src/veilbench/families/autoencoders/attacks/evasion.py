"""Adversarial examples against a detector: anomalies moved below its threshold, and normal rows moved above it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from veilbench.attack_methods.evasion_attack import EvasionAttack
from veilbench.attack_methods.evasion_settings import EvasionSearch, Perturbations
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, DifferentiableDetector
from veilbench.metrics.intervals import median

if TYPE_CHECKING:
    from veilbench.attack_methods.evasion_task import EvasionTask
    from veilbench.attack_methods.pgd import Bounds


class Evasion(EvasionAttack[Detector, Rows]):
    """Moves test rows across a detector's threshold, which is a quantile of the scores of held-out normal rows.

    Only anomalies that are detected and normal rows that are not are attacked. A budget of 1 is a row's distance to the
    nearest known row on the other side of the threshold: for an anomaly, the nearest undetected training or validation
    row; for a normal row, the nearest detected test anomaly. From a budget of 1 on, the attack can always succeed,
    because it may replace the row by that one. The curve `straight path` moves rows straight towards it and reaches
    100 % at 1; it needs no queries and does not count for the gain. If a search is worse than this curve at the
    reference budget, the notes say that it has failed.

    The gain is the share of anomalies hidden at the reference budget by any search, above the share that random noise
    hides; false alarms are reported too. The default reference budget is 0.5 because of the triangle inequality: an
    anomaly moved by less than half the distance is still nearer to its origin than to any undetected normal row, so it
    is still the same anomaly. Beyond that it may have become normal, which is no fault of the detector. With
    `broken_threshold` = 0.5, a detector is broken if half of the anomalies are hidden within the reference budget.

    Two metrics summarise the curve. `hidden_half_at` is the budget at which half of the anomalies are hidden.
    `hidden_half_over_spacing` is the same change relative to the median distance between two normal rows, for
    comparisons of data sets. Both are medians over rows of the smallest tested budget that suffices, so they are too
    large by up to one step.

    Controls, both under the full attack: `MinorComponent` measures a single direction, so a small step hides the
    anomalies that it catches; the distance from the mean, `InputNorm`, is evaded at a budget of 1 only, and is robust
    by this measure. `KnownAnomalies` withstands every change up to 0.5 by the triangle inequality above; should one
    succeed, the attack exceeds its budget. If `negative` is None, the control is the attacked detector with random
    noise in place of the searches. For a detector without a gradient, or a threat model without `weights`, only the
    search without gradients runs, and the positive control is attacked by this search alone, too.

    Args:
        threat: threat model; needs `score_queries`; `weights` adds the search by gradients.
        positive: positive control: a detector that can be evaded at the reference budget.
        negative: negative control: a detector that the attack must not evade; None compares noise with noise.
        perturbations: norm and radii of the balls, in units of the distance described above.
        search: budgets of the searches with and without gradients.
        quantile: quantile of the validation rows' scores used as the threshold, in (0, 1).
        most_rows: maximum number of rows of each kind to attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Rows
    target_kind = Detector
    target_needs = ("score",)

    title = "Evasion"
    labels: ClassVar = {"hidden": "anomalies hidden", "alarms": "false alarms raised"}
    unit = "1 = distance to the other side"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Detector,
        negative: Detector | None = None,
        perturbations: Perturbations = Perturbations(),
        search: EvasionSearch = EvasionSearch(),
        quantile: Annotated[float, Gt(0), Lt(1)] = 0.95,
        most_rows: Count = 256,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, perturbations, search, broken_threshold)
        if not 0 < quantile < 1:
            raise ValueError(f"quantile={quantile} must be in (0, 1)")
        self.quantile, self.most_rows = quantile, most_rows

    def tasks(self, target: Detector, data: Rows, rng: np.random.Generator) -> Sequence[EvasionTask]:
        """Return the anomalies to hide, and the normal rows to raise false alarms with."""
        from veilbench.families.autoencoders.attacks.detector_tasks import build_tasks

        return build_tasks(target, data, self.quantile, self.perturbations.norm, self.most_rows, rng)

    def bounds(self, data: Rows) -> Bounds:
        """Return the range of allowed values, or None; see `value_bounds`."""
        from veilbench.families.autoencoders.attacks.detector_tasks import value_bounds

        return value_bounds(data)

    def control_cases(self, target: Detector, data: Rows) -> Sequence[ControlCase[Detector]]:
        """Return both controls; the positive one is attacked by the path that the target can be attacked by."""
        path = "gradient" if self.white_box(target) else "search without gradients"
        return [ControlCase("positive", self.positive, path), ControlCase("negative", self.negative)]

    def run_control(
        self, case: ControlCase[Detector], scheme: Detector, data: Rows, trainer: Accelerator, rng: np.random.Generator
    ) -> Findings:
        """Attack a control, without its gradients if the target is attacked without them."""
        attack = self
        if case.path and case.path != "gradient":
            attack = copy(self)
            attack.threat = replace(self.threat, weights=False)
        return attack.run(scheme, data, trainer, rng, control=True)

    def white_box(self, target: Detector) -> bool:
        """Return whether the detector is differentiable and the threat model grants its weights."""
        return isinstance(target, DifferentiableDetector) and self.threat.weights

    def _report(self, findings: Findings, name: str, task: EvasionTask, success: dict[str, np.ndarray]) -> None:
        """Add the budget at which half of the rows succeed; rows without success count as 1."""
        from veilbench.families.autoencoders.attacks.detector_tasks import DetectorTask

        super()._report(findings, name, task, success)
        moved = success["any"]
        budgets = np.array(self.perturbations.ascending()[: len(moved)])
        needed = np.where(moved.any(0), budgets[moved.argmax(0)], 1.0).clip(max=1.0)
        if isinstance(task, DetectorTask) and name == "hidden":
            findings.metrics["hidden_half_at"] = median(needed)
            findings.metrics["hidden_half_over_spacing"] = median(needed * task.distance_to_boundary / task.spacing)
