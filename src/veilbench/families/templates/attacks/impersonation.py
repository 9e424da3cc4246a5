"""Adversarial examples against recognition: to be accepted as someone else, or not to be recognised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.attack_methods.evasion_attack import EvasionAttack
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


class TemplateImpersonation(EvasionAttack[TemplateScheme, Identities]):
    """Perturbs images within a budget so that the system's decision about them changes.

    Targeted: an auxiliary impression, the attacker's own, is to be accepted as a victim for whom it is rejected; the
    gain is measured on these. Untargeted: another impression of a victim, which is accepted, is to be rejected. Budgets
    are fractions of the largest possible change, from black to white: of one pixel in "linf", of the root mean square
    over pixels in "l2". At a budget of 1 every image can be moved, because it may become the victim's.

    The system applies the victim's key to every image presented. Gradients need the weights and, for keyed templates,
    the victims' keys; without them the search queries the system for match scores. With the weights but without the
    keys, the attacker also queries the scores of `asked` images of their own and fits a surrogate for each victim,
    which
    has gradients.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`; `weights` and `key` add gradients.
        positive: positive control: a scheme that this budget suffices to break.
        negative: negative control: a scheme that the attack must not beat; None compares noise with noise.
        norm: norm of the perturbation, "l2" or "linf".
        budgets: perturbation budgets of the success curve; 1 is the change from black to white.
        steps: steps of each gradient descent.
        restarts: gradient descents per image: the first from the image itself, the others from random points in its
            ball.
        queries: score queries of the search without gradients.
        asked: number of own images whose scores the surrogate is fitted to, if one is needed; 0 fits none.
        draws: templates of a noisy scheme that each evaluation of an image is averaged over.
        reference_budget: budget at which the gain is measured, one of `budgets`.
        fmr: false match rate at which the system operates, in (0, 1).
        most_victims: maximum number of victims to attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
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
        reference_budget: Positive = 0.2,
        fmr: Positive = 0.01,
        most_victims: Annotated[Count, Ge(2)] = 40,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(
            threat, positive, negative, norm, budgets, steps, restarts, queries, reference_budget, broken_threshold
        )
        self.asked, self.draws, self.fmr, self.most_victims = asked, draws, fmr, most_victims

    def cases(self, target: TemplateScheme, data: Identities, rng: np.random.Generator) -> Sequence[Case]:
        """Return the attacker's images to be accepted as victims, and victims' images to be rejected.

        Raises:
            UserError: every image is accepted as every victim already.
        """
        self.threat.require("auxiliary_data")
        system = deployed(target, data, [self.fmr], self.fmr, self.most_victims, rng)
        mine = data.auxiliary.images[rng.integers(len(data.auxiliary), size=len(system.keys))]
        sides = [(mine, ~system.accepted(mine, self.fmr), -1)]
        sides.append((system.others.images, system.accepted(system.others.images, self.fmr), 1))
        if not sides[0][1].any():
            raise UserError(f"impersonation has no image to attack: all are accepted as any victim at FMR {self.fmr:g}")
        own = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.asked]]
        return [self._case(system.chosen(who), images[who], sign, own) for images, who, sign in sides if who.any()]

    def _case(self, system: TemplateSystem, images: np.ndarray, sign: int, own: np.ndarray) -> Case:
        from veilbench.families.templates.attacks.case import TemplateCase

        largest = 1.0 if self.norm == "linf" else float(np.sqrt(images[0].size))
        reach, white = np.full(len(images), largest, np.float32), self.white_box(system.scheme)
        asked = own if self.threat.weights and len(own) >= FEWEST else None
        return TemplateCase(images, reach, system, self.fmr, sign, self.draws, white, asked)

    def box(self, data: Identities) -> Box:
        """Return the range of grey levels."""
        return (0.0, 1.0)

    def white_box(self, target: TemplateScheme) -> bool:
        """Return whether the scheme is differentiable and the threat model grants the weights and any keys."""
        granted = self.threat.weights and (self.threat.key or not target.keyed)
        return isinstance(target, DifferentiableScheme) and granted
