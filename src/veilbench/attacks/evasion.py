"""Adversarial examples against a detector: anomalies hidden below its threshold, and false alarms raised above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, MinLen

from veilbench.attacks.moving_attack import MovingAttack
from veilbench.data.rows import Rows
from veilbench.representations.base import Detector, DifferentiableDetector
from veilbench.threat import ThreatModel

if TYPE_CHECKING:
    from veilbench.attacks.case import Case
    from veilbench.attacks.pgd import Box


class Evasion(MovingAttack[Detector, Rows]):
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
    labels: ClassVar = {"hidden": "anomalies hidden", "alarms": "false alarms raised"}
    unit = "1 = distance to the other side"

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
        super().__init__(threat, positive, negative, norm, budgets, steps, restarts, queries, judged_at, broken_at)
        if not 0 < quantile < 1:
            raise ValueError(f"quantile={quantile} must be in (0, 1)")
        self.quantile, self.most_rows = quantile, most_rows

    def cases(self, subject: Detector, data: Rows, rng: np.random.Generator) -> Sequence[Case]:
        """Anomalies to hide, and normal rows to raise alarms with."""
        from veilbench.attacks.evasion_cases import cases

        return cases(subject, data, self.quantile, self.norm, self.most_rows, rng)

    def box(self, data: Rows) -> Box:
        """See `box_of`."""
        from veilbench.attacks.evasion_cases import box_of

        return box_of(data)

    def white_box(self, subject: Detector) -> bool:
        """See `MovingAttack`."""
        return isinstance(subject, DifferentiableDetector) and self.threat.weights
