"""Adversarial examples against recognition: to be accepted as someone else, or not to be recognised."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from veilbench.attack_methods.evasion_attack import EvasionAttack
from veilbench.attack_methods.evasion_gain import Share, gain_above_noise
from veilbench.attack_methods.evasion_settings import EvasionSearch, Perturbations
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, Natural, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.starts import (
    Start,
    move_any,
    reach_scores,
    report_starts,
    share_by_scores,
    strongest,
)
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
    leave_undecided,
    refuse_large_chance,
)
from veilbench.families.templates.data.identities import Identities, ImageIdentities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import has_gradients

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.evasion_task import EvasionTask, Search
    from veilbench.attack_methods.pgd import Bounds
    from veilbench.families.templates.attacks.template_task import TemplateTask


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
        starts: number of the attacker's own images, one query each, of which the closest to each victim is a second
            start. Too many leave nothing to attack: at an FMR of 1 %, 18 % of the victims accept one of 20 images as it
            is, and 98 % one of 400.
    """

    steps: Steps = 30
    restarts: Steps = 1
    queries: Count = 100
    surrogate_queries: Natural = 300
    draws: Count = 1
    starts: Count = 20


class TemplateImpersonation(EvasionAttack[TemplateScheme, Identities]):
    """Perturbs images within a budget so that the system's decision about them changes.

    Impersonation: one of the attacker's own images, so far rejected as a victim, should be accepted. Evasion: a
    victim's image, so far accepted, should be rejected. Budgets are fractions of the largest possible change, from
    black to white: per pixel in "linf", and as the root mean square over all pixels in "l2". At a budget of 1 any image
    can become the victim's image, so every search can succeed.

    Impersonation has two starts: a random image of the attacker, for the curves over the budget; and, at the reference
    budget alone, the one of `search.starts` own images whose template scores highest with the victim's. Each is
    measured on the victims who reject it as it is, above noise from the same start. The gain is that of the stronger
    start; the intervals hold jointly, and include the uncertainty of the threshold, see `RedrawnThresholds`. What an
    attacker achieves who starts from the best of all their own images, `impersonated_from_best_own_image`, is reported
    beside that. It is not a gain, since many images meet many victims as they are (`met_by_best_own_image`).

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

    def share_of(
        self, task: EvasionTask, searches: Mapping[str, Search], device: torch.device, rng: np.random.Generator
    ) -> Share:
        """Return the function that gives the share of impersonated victims an interval with the threshold's."""
        victims = _as_impersonation(task)
        scores = reach_scores(victims, searches, self.perturbations.reference_budget, device, rng)
        return share_by_scores(victims.system, scores)

    def _search_all(
        self,
        task: EvasionTask,
        searches: dict[str, Search],
        to_reference: bool,
        device: torch.device,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Return the success of each search; up to the reference budget, only that of any, which costs less."""
        if not to_reference:
            return super()._search_all(task, searches, to_reference, device, rng)
        budgets = self.perturbations.ascending(to_reference)
        return {"any": move_any(_as_impersonation(task), searches, budgets, device, rng)}

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
        """Report the gain of the stronger start, and both starts in a table."""
        super()._judge(found, task, success, bounds, device, rng, control, white)
        reference = self.perturbations.ascending().index(self.perturbations.reference_budget)
        starts = [Start.of("a random image", success, reference, found)]
        if (closest := _as_impersonation(task).from_closest()) is None:
            found.notes.append("All victims accept the closest of the attacker's own images as it is.")
        else:
            single, near = self._at_reference_budget(), Findings(self.title)
            from_closest = single._success(closest, bounds, device, rng, True, white)
            super(TemplateImpersonation, single)._judge(
                near, closest, from_closest, bounds, device, rng, control, white
            )
            starts.append(Start.of(f"the closest of {self.search.starts} own images", from_closest, -1, near))
            found.notes += [f"From {starts[-1].label}: {note}" for note in near.notes]
        report_starts(found, starts, self.broken_threshold)
        if not control:
            self._report_best_own(found, _as_impersonation(task), bounds, device, rng, white)

    def _report_best_own(
        self,
        found: Findings,
        task: TemplateTask,
        bounds: Bounds,
        device: torch.device,
        rng: np.random.Generator,
        white: bool,
    ) -> None:
        """Report who accepts the best of all own images, as it is and moved up to the reference budget."""
        from veilbench.families.templates.attacks.best_own_print import move_best_own_images, report_best_own_images

        assert task.every_image is not None
        budgets = self.perturbations.ascending(to_reference=True)
        searches = self._searches(bounds, white)
        success = move_best_own_images(task, task.every_image, searches, budgets, device, rng)
        report_best_own_images(found, success, len(task.every_image), budgets)

    def _at_reference_budget(self) -> TemplateImpersonation:
        """Return the attack with the reference budget alone."""
        single, reference = copy.copy(self), self.perturbations.reference_budget
        single.perturbations = replace(self.perturbations, budgets=(reference,))
        return single

    def _own_control(
        self, target: TemplateScheme, data: Identities, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Compare noise with noise on the attacked model itself; without images to compare, nothing is shown."""
        name, single = f"{type(target).__name__} met with noise", self._at_reference_budget()
        rng, device, bounds = np.random.default_rng(seed), trainer.device(), self.bounds(data)
        try:
            task = _as_impersonation(self.tasks(target, data, rng)[0])
        except Undecidable:
            return name, Metric(0.0, -1.0, 1.0, 0, NO_INTERVAL)
        tasks = [one for one in (task, task.from_closest()) if one is not None]
        starts = [single._start_with_noise(one, bounds, device, rng) for one in tasks]
        return name, strongest(starts, self.broken_threshold)[1]

    def _start_with_noise(
        self, task: TemplateTask, bounds: Bounds, device: torch.device, rng: np.random.Generator
    ) -> Start:
        """Return the outcome of noise in place of the searches."""
        noise, budget = {"noise": self._noise(bounds)}, self.perturbations.reference_budget
        scores, chances = (
            reach_scores(task, noise, budget, device, rng),
            self._chance(task, bounds, device, rng, True)[-1],
        )
        accepted = scores >= task.system.threshold
        gain = gain_above_noise(accepted, chances, share_by_scores(task.system, scores))
        return Start("noise", accepted, chances, gain)

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
        own_images = data.auxiliary.images[rng.permutation(len(data.auxiliary))]
        return [
            self._task(system.subset(rows), images[rows], sign, own_images)
            for images, rows, sign in sides
            if rows.any()
        ]

    def _task(self, system: TemplateSystem, images: np.ndarray, sign: int, own_images: np.ndarray) -> EvasionTask:
        from veilbench.families.templates.attacks.template_task import TemplateTask

        largest = 1.0 if self.perturbations.norm == "linf" else float(np.sqrt(images[0].size))
        distances, white_box = np.full(len(images), largest, np.float32), self.white_box(system.scheme)
        queried = own_images[: self.search.surrogate_queries]
        fitted_to = queried if self.threat.weights and len(queried) >= FEWEST else None
        starts = own_images[: self.search.starts]
        return TemplateTask(
            images,
            distances,
            system,
            sign,
            self.search.draws,
            white_box,
            fitted_to,
            starts=starts,
            every_image=own_images,
        )

    def bounds(self, data: Identities) -> Bounds:
        """Return the range of grey levels."""
        return (0.0, 1.0)

    def white_box(self, target: TemplateScheme) -> bool:
        """Return whether the scheme is differentiable and the threat model grants the weights and any keys."""
        granted = self.threat.weights and (self.threat.key or not target.keyed)
        return has_gradients(target) and granted


def _as_impersonation(task: EvasionTask) -> TemplateTask:
    from veilbench.families.templates.attacks.template_task import TemplateTask

    assert isinstance(task, TemplateTask)
    return task
