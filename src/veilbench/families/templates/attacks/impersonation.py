"""Adversarial examples against recognition: to be accepted as someone else, or not to be recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from veilbench.attack_methods.evasion_attack import EvasionAttack
from veilbench.attack_methods.evasion_settings import EvasionSearch, Perturbations
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, Natural, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.system import (
    FEWEST,
    TemplateSystem,
    enrol_victims,
    first_row_of_each,
    refuse_constant_scores,
)
from veilbench.families.templates.attacks.undecided import (
    NO_INTERVAL,
    Undecidable,
    explain_undecided,
    leave_undecided,
    refuse_large_chance,
)
from veilbench.families.templates.data.identities import Identities, ImageIdentities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import has_gradients

if TYPE_CHECKING:
    from veilbench.attack_methods.evasion_task import EvasionTask
    from veilbench.attack_methods.pgd import Bounds


@dataclass(frozen=True)
class ImpersonationSearch(EvasionSearch):
    """Budgets of the searches for images that change a decision of the system.

    Attributes:
        steps: steps of each gradient descent.
        restarts: gradient descents per image. The first starts from the image itself, the others from random points
            within the budget.
        queries: score queries per image of the search without gradients.
        surrogate_queries: number of the attacker's own images whose match scores a surrogate is fitted to, if one is
            needed; 0 fits none.
        draws: number of templates over which each match score is averaged, for schemes with random noise.
    """

    steps: Steps = 30
    restarts: Steps = 1
    queries: Count = 100
    surrogate_queries: Natural = 300
    draws: Count = 1


class TemplateImpersonation(EvasionAttack[TemplateScheme, Identities]):
    """Perturbs images within a budget so that the system's decision about them changes.

    Impersonation: one of the attacker's own images, so far rejected as a victim, should be accepted. The gain is
    measured on these images. Evasion: a victim's image, so far accepted, should be rejected. Budgets are fractions of
    the largest possible change, from black to white: per pixel in "linf", and as the root mean square over all pixels
    in "l2". At a budget of 1 any image can become the victim's image, so every search can succeed.

    The system applies the victim's key to every image presented. Gradients require the weights and, for keyed
    templates, the victims' keys; without these the search only queries match scores. With the weights but without the
    keys, the attacker queries the scores of their own images, and fits a differentiable surrogate for each victim.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`; `weights` and `key` add gradients.
        positive: positive control: a scheme that this budget suffices to break.
        negative: negative control: a scheme that the attack must not beat; None compares noise with noise.
        perturbations: norm and radii of the balls; 1 is the change from black to white.
        search: budgets of the searches with and without gradients.
        operating_point: false match rate at which the system operates (`reference_fmr`), and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = ImageIdentities
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
        operating_point: OperatingPoint = OperatingPoint(fmr=(0.01,), most_victims=60),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, perturbations, search, broken_threshold)
        self.operating_point = operating_point

    def run(
        self,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """Run the attack; without a threshold or an image to attack, nothing can be decided."""
        found = Findings(f"{self.title} ({self.perturbations.norm})")
        try:
            refuse_constant_scores(target, data.enrolment.images[first_row_of_each(data.enrolment.identities)])
            found = super().run(target, data, accelerator, rng, control)
            if reason := target.lacks().get("gradients"):
                found.notes.append(f"Score queries in place of gradients: {reason}.")
            noise, setting = found.metrics["impersonated_by_noise"], "perturbations.reference_budget, met with noise,"
            refuse_large_chance(noise.value, noise.n, self.broken_threshold, setting)
        except Undecidable as why:
            leave_undecided(found, why)
        return found

    def _own_control(
        self, target: TemplateScheme, data: Identities, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Compare noise with noise on the attacked model itself; without images to compare, nothing is shown."""
        try:
            return super()._own_control(target, data, trainer, seed)
        except Undecidable:
            return f"{type(target).__name__} met with noise", Metric(0.0, -1.0, 1.0, 0, NO_INTERVAL)

    def examine(
        self,
        target: TemplateScheme,
        data: Identities,
        trainer: Accelerator,
        seeds: np.random.SeedSequence,
        memory: ControlMemory,
    ) -> Findings:
        """Attack the target and the controls, and give a verdict; say so if nothing can be decided."""
        found = super().examine(target, data, trainer, seeds, memory)
        explain_undecided(found)
        return found

    def tasks(self, target: TemplateScheme, data: Identities, rng: np.random.Generator) -> Sequence[EvasionTask]:
        """Return the impersonation task and the evasion task; a task without images is left out.

        Raises:
            Undecidable: there is no threshold, or every image of the attacker is accepted without any change.
        """
        self.threat.require("auxiliary_data")
        system = enrol_victims(target, data, self.operating_point, rng)
        attacker_images = data.auxiliary.images[rng.integers(len(data.auxiliary), size=len(system.keys))]
        sides = [(attacker_images, ~system.accepts(attacker_images), -1)]
        sides.append((system.others.images, system.accepts(system.others.images), 1))
        if not sides[0][1].any():
            rate = f"operating_point.reference_fmr={system.reference_fmr:g}"
            raise Undecidable(f"at {rate} all of the attacker's images are accepted already")
        surrogate_images = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.search.surrogate_queries]]
        return [
            self._task(system.subset(rows), images[rows], sign, surrogate_images)
            for images, rows, sign in sides
            if rows.any()
        ]

    def _task(self, system: TemplateSystem, images: np.ndarray, sign: int, surrogate_images: np.ndarray) -> EvasionTask:
        from veilbench.families.templates.attacks.template_task import TemplateTask

        largest = 1.0 if self.perturbations.norm == "linf" else float(np.sqrt(images[0].size))
        distances, white_box = np.full(len(images), largest, np.float32), self.white_box(system.scheme)
        own_images = surrogate_images if self.threat.weights and len(surrogate_images) >= FEWEST else None
        return TemplateTask(images, distances, system, sign, self.search.draws, white_box, own_images)

    def bounds(self, data: Identities) -> Bounds:
        """Return the range of grey levels."""
        return (0.0, 1.0)

    def white_box(self, target: TemplateScheme) -> bool:
        """Return whether the scheme is differentiable and the threat model grants the weights and any keys."""
        granted = self.threat.weights and (self.threat.key or not target.keyed)
        return has_gradients(target) and granted
