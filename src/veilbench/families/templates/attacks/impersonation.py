"""Adversarial examples against recognition: to be accepted as someone else, or not to be recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from veilbench.attack_methods.evasion_attack import EvasionAttack
from veilbench.attack_methods.evasion_settings import EvasionSearch, Perturbations
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Natural, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.system import FEWEST, TemplateSystem, enrol_victims
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

if TYPE_CHECKING:
    from veilbench.attack_methods.evasion_task import EvasionTask
    from veilbench.attack_methods.pgd import Bounds


@dataclass(frozen=True)
class ImpersonationSearch(EvasionSearch):
    """Budgets of the searches for images that change a decision of the system.

    Attributes:
        steps: steps of each gradient descent.
        restarts: gradient descents per image: the first from the image itself, the others from random points in its
            ball.
        queries: score queries per image of the search without gradients.
        surrogate_queries: number of the attacker's own images whose match scores a surrogate is fitted to, if one is
            needed; 0 fits none.
        draws: templates of a noisy scheme that each evaluation of an image is averaged over.
    """

    steps: Steps = 30
    restarts: Steps = 1
    queries: Count = 100
    surrogate_queries: Natural = 300
    draws: Count = 1


class TemplateImpersonation(EvasionAttack[TemplateScheme, Identities]):
    """Perturbs images within a budget so that the system's decision about them changes.

    Targeted: an auxiliary impression, the attacker's own, is to be accepted as a victim for whom it is rejected; the
    gain is measured on these. Untargeted: another impression of a victim, which is accepted, is to be rejected. Budgets
    are fractions of the largest possible change, from black to white: of one pixel in "linf", of the root mean square
    over pixels in "l2". At a budget of 1 every image can be moved, because it may become the victim's.

    The system applies the victim's key to every image presented. Gradients need the weights and, for keyed templates,
    the victims' keys; without them the search queries the system for match scores. With the weights but without the
    keys, the attacker also queries the scores of their own images and fits a surrogate for each victim, which has
    gradients.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`; `weights` and `key` add gradients.
        positive: positive control: a scheme that this budget suffices to break.
        negative: negative control: a scheme that the attack must not beat; None compares noise with noise.
        perturbations: norm and radii of the balls; 1 is the change from black to white.
        search: budgets of the searches with and without gradients.
        operating_point: the reference false match rate at which the system operates, and the number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    title = "Impersonation"
    labels: ClassVar = {"impersonated": "accepted as the victim", "evaded": "not recognised any more"}
    unit = "1 = from black to white"
    search: ImpersonationSearch

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme | None = None,
        perturbations: Perturbations = Perturbations("linf", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), 0.2),
        search: ImpersonationSearch = ImpersonationSearch(),
        operating_point: OperatingPoint = OperatingPoint(fmr=(0.01,), most_victims=40),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, perturbations, search, broken_threshold)
        self.operating_point = operating_point

    def tasks(self, target: TemplateScheme, data: Identities, rng: np.random.Generator) -> Sequence[EvasionTask]:
        """Return the attacker's images to be accepted as victims, and victims' images to be rejected.

        Raises:
            UserError: every image is accepted as every victim already.
        """
        self.threat.require("auxiliary_data")
        system = enrol_victims(target, data, self.operating_point, rng)
        mine = data.auxiliary.images[rng.integers(len(data.auxiliary), size=len(system.keys))]
        sides = [(mine, ~system.accepted(mine), -1)]
        sides.append((system.others.images, system.accepted(system.others.images), 1))
        if not sides[0][1].any():
            fmr = system.reference_fmr
            raise UserError(f"impersonation has no image to attack: all are accepted as any victim at FMR {fmr:g}")
        own = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.search.surrogate_queries]]
        return [self._task(system.subset(rows), images[rows], sign, own) for images, rows, sign in sides if rows.any()]

    def _task(self, system: TemplateSystem, images: np.ndarray, sign: int, own: np.ndarray) -> EvasionTask:
        from veilbench.families.templates.attacks.template_task import TemplateTask

        largest = 1.0 if self.perturbations.norm == "linf" else float(np.sqrt(images[0].size))
        distances, white_box = np.full(len(images), largest, np.float32), self.white_box(system.scheme)
        own_images = own if self.threat.weights and len(own) >= FEWEST else None
        return TemplateTask(images, distances, system, sign, self.search.draws, white_box, own_images)

    def bounds(self, data: Identities) -> Bounds:
        """Return the range of grey levels."""
        return (0.0, 1.0)

    def white_box(self, target: TemplateScheme) -> bool:
        """Return whether the scheme is differentiable and the threat model grants the weights and any keys."""
        granted = self.threat.weights and (self.threat.key or not target.keyed)
        return isinstance(target, DifferentiableScheme) and granted
