"""Adversarial examples against a detector: anomalies hidden below its threshold, and false alarms raised above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import MinLen

from veilbench.attack_methods.moving_attack import MovingAttack
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, Positive, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, DifferentiableDetector
from veilbench.metrics.intervals import median

if TYPE_CHECKING:
    from veilbench.attack_methods.case import Case
    from veilbench.attack_methods.pgd import Box


class Evasion(MovingAttack[Detector, Rows]):
    """Moves test rows across the threshold, which is a quantile of the scores of held-out normal rows.

    A budget of 1 is a row's own distance from the nearest row on the other side: an anomaly's from the nearest normal
    row, of training or validation, that passes; a normal row's from the nearest test anomaly that is caught. From 1 on,
    every row can be moved, for it may become its neighbour: the curve `walk` goes there in a straight line and reaches
    100 % at 1. It asks nothing of the detector and does not count for the gain; a search that stays below it there has
    failed, and the notes say so. Only anomalies that are caught and normal rows that pass are attacked.

    The gain is the share of anomalies hidden at the budget `judged_at`, by any of the searches, above what as many
    draws of random noise as there are restarts hide; false alarms are reported beside it. Why 0.5: by the triangle
    inequality an anomaly that was moved by less than half the way is still nearer to where it was than to any normal
    row that passes. If it hides there, it hides as what it is; if it needs more, it may have had to become normal, and
    no detector can be blamed for that. `broken_at` = 0.5 calls it broken where half of the anomalies hide so. At a
    budget of 1, where everything can be hidden, a verdict would say nothing.

    Besides the curve there are the budget that half of the anomalies need, `hidden_half_at`, and the same change over
    the median distance between two normal rows, `hidden_half_over_spacing`, which compares data sets. Both are the
    least of `budgets` that suffices, and so up to one step of them too large; both are medians over rows.

    Controls, both at the whole strength of the attack: `MinorComponent` looks along one direction, so that a small step
    hides whom it catches; the distance from the mean, `InputNorm`, falls at a budget of 1 only, and is robust by
    this measure. `KnownAnomalies` withstands every change up to 0.5 by that triangle inequality; should one succeed,
    the attack does not keep to its budget. Where `negative` is None, it is the subject itself met with noise alone. A
    detector without a gradient, or a threat model without `weights`, leaves the search without gradients alone.

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

    data_kind = Rows
    target_kind = Detector

    title = "Evasion"
    labels: ClassVar = {"hidden": "anomalies hidden", "alarms": "false alarms raised"}
    unit = "1 = distance to the other side"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Detector,
        negative: Detector | None = None,
        norm: Literal["l2", "linf"] = "l2",
        budgets: Annotated[Sequence[Positive], MinLen(1)] = (
            0.05,
            0.1,
            0.2,
            0.3,
            0.4,
            0.5,
            0.7,
            1.0,
            2.0,
        ),
        steps: Steps = 100,
        restarts: Steps = 2,
        queries: Count = 300,
        judged_at: Positive = 0.5,
        quantile: Positive = 0.95,
        most_rows: Count = 256,
        broken_at: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, norm, budgets, steps, restarts, queries, judged_at, broken_at)
        if not 0 < quantile < 1:
            raise ValueError(f"quantile={quantile} must be in (0, 1)")
        self.quantile, self.most_rows = quantile, most_rows

    def cases(self, subject: Detector, data: Rows, rng: np.random.Generator) -> Sequence[Case]:
        """Anomalies to hide, and normal rows to raise alarms with."""
        from veilbench.families.autoencoders.attacks.evasion_cases import cases

        return cases(subject, data, self.quantile, self.norm, self.most_rows, rng)

    def box(self, data: Rows) -> Box:
        """See `box_of`."""
        from veilbench.families.autoencoders.attacks.evasion_cases import box_of

        return box_of(data)

    def white_box(self, subject: Detector) -> bool:
        """See `MovingAttack`."""
        return isinstance(subject, DifferentiableDetector) and self.threat.weights

    def _report(self, found: Findings, name: str, case: Case, crossed: dict[str, np.ndarray]) -> None:
        """Adds what half of the rows need; who was never moved needs 1, for its neighbour is there."""
        from veilbench.families.autoencoders.attacks.evasion_cases import DetectorCase

        super()._report(found, name, case, crossed)
        across = crossed["any"]
        budgets = np.array(self.budgets[: len(across)])
        needed = np.where(across.any(0), budgets[across.argmax(0)], 1.0).clip(max=1.0)
        if isinstance(case, DetectorCase) and name == "hidden":
            found.metrics["hidden_half_at"] = median(needed)
            found.metrics["hidden_half_over_spacing"] = median(needed * case.reach / case.spacing)
