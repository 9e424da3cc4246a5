"""Adversarial examples against recognition: my print, changed a little, is taken for yours, or no longer for mine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.attack_methods.moving_attack import MovingAttack
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Natural, Positive, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.system import FEWEST, TemplateSystem, deployed
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

if TYPE_CHECKING:
    from veilbench.attack_methods.case import Case
    from veilbench.attack_methods.pgd import Box


class TemplateImpersonation(MovingAttack[TemplateScheme, Identities]):
    """Changes images within a budget, so that the system decides otherwise about them.

    Targeted: an auxiliary impression, the attacker's own, is to be accepted as a victim whom it is not accepted as; the
    gain is of these, see `MovingAttack`. Untargeted: another impression of a victim, which is accepted, is to be
    rejected. Budgets are shares of the largest change there is, from black to white: of one pixel in "linf", of the
    root mean square over pixels in "l2". At a budget of 1 every image can be moved, for it may become the victim's.

    The system adds the victim's key to what is presented. Gradients take the weights and, where templates have keys,
    those keys too; without them the search asks the system for scores. With the weights and without the keys he also
    asks for the scores of `asked` images of his own, and learns a stand-in for each victim from them, which has
    gradients: see `TemplateCase.stand_in`.

    Args:
        threat: needs `score_queries` and `auxiliary_data`; `weights` and `key` for gradients.
        positive: a scheme that this budget suffices against.
        negative: see `MovingAttack`.
        norm: of the changes.
        budgets: of the curve.
        steps: of each descent.
        restarts: descents.
        queries: of the search without gradients.
        asked: own images whose scores a stand-in is learned from, where it is needed; 0 leaves it out.
        draws: of a noisy scheme's templates, that each look at an image is averaged over.
        judged_at: the budget of the gain, one of `budgets`.
        fmr: the false match rate that the system works at.
        most_victims: attacked.
        broken_at: see `Attack`.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    title = "Impersonation"
    labels: ClassVar = {"impersonated": "accepted as the victim", "evaded": "not recognised any more"}
    unit = "1 = from black to white"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme | None = None,
        norm: Literal["l2", "linf"] = "linf",
        budgets: Annotated[Sequence[Positive], MinLen(1)] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
        steps: Steps = 30,
        restarts: Steps = 1,
        queries: Count = 100,
        asked: Natural = 300,
        draws: Count = 1,
        judged_at: Positive = 0.2,
        fmr: Positive = 0.01,
        most_victims: Annotated[Count, Ge(2)] = 40,
        broken_at: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, norm, budgets, steps, restarts, queries, judged_at, broken_at)
        self.asked, self.draws, self.fmr, self.most_victims = asked, draws, fmr, most_victims

    def cases(self, subject: TemplateScheme, data: Identities, rng: np.random.Generator) -> Sequence[Case]:
        """Own prints to be accepted as somebody else's, and victims' to be rejected.

        Raises:
            UserError: everybody is accepted as anybody.
        """
        self.threat.require("auxiliary_data")
        system = deployed(subject, data, [self.fmr], self.fmr, self.most_victims, rng)
        mine = data.auxiliary.images[rng.integers(len(data.auxiliary), size=len(system.keys))]
        sides = [(mine, ~system.accepted(mine, self.fmr), -1)]
        sides.append((system.others.images, system.accepted(system.others.images, self.fmr), 1))
        if not sides[0][1].any():
            raise UserError(f"impersonation has nobody to move: all are accepted as anybody at FMR {self.fmr:g}")
        own = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.asked]]
        return [self._case(system.chosen(who), images[who], sign, own) for images, who, sign in sides if who.any()]

    def _case(self, system: TemplateSystem, images: np.ndarray, sign: int, own: np.ndarray) -> Case:
        from veilbench.families.templates.attacks.case import TemplateCase

        largest = 1.0 if self.norm == "linf" else float(np.sqrt(images[0].size))
        reach, white = np.full(len(images), largest, np.float32), self.white_box(system.scheme)
        asked = own if self.threat.weights and len(own) >= FEWEST else None
        return TemplateCase(images, reach, system, self.fmr, sign, self.draws, white, asked)

    def box(self, data: Identities) -> Box:
        """Grey levels."""
        return (0.0, 1.0)

    def white_box(self, subject: TemplateScheme) -> bool:
        """See `MovingAttack`."""
        granted = self.threat.weights and (self.threat.key or not subject.keyed)
        return isinstance(subject, DifferentiableScheme) and granted
