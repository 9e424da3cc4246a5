"""Attacks that succeed if the recognition system accepts what the attacker presents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.attacks.undecided import Undecidable, leave_undecided, refuse_large_chance
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.open_features import OpenFeatures
from veilbench.metrics.intervals import above_chance

Score = Callable[[TemplateSystem, np.ndarray], np.ndarray]  # system, what is presented -> match scores, (n,)


class AcceptanceAttack(TemplateAttack):
    """Presents images or features to the recognition system, and measures the share that it accepts as the victims'.

    Two rates are reported for each false match rate. SAR (successful attack rate) is the share of victims whose
    enrolled template accepts what is presented. PRAR is the same for a template of the same impression under a new key.
    A stranger's image is accepted at the false match rate. The gain is the SAR at the reference false match rate above
    chance, which is the larger of blind guessing and a baseline that uses no template. Intervals include the
    uncertainty of the threshold, see `RedrawnThresholds`.

    Args:
        threat: threat model; must grant `threat_needs`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat; None if the attack derives it from its
            target.
        operating_point: false match rates of the system, and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme | None,
        operating_point: OperatingPoint,
        broken_threshold: float,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.operating_point = operating_point

    def _enrol(
        self, findings: Findings, target: TemplateScheme, data: Identities, rng: np.random.Generator
    ) -> TemplateSystem:
        """Enrol the victims, and add a note for each false match rate without a threshold."""
        system = enrol_victims(target, data, self.operating_point, rng)
        findings.notes += [f"Refused: {reason}." for reason in system.refused]
        return system

    def _controls_on_open_features(
        self, target: TemplateScheme, data: Identities, paths: Sequence[str]
    ) -> list[ControlCase[TemplateScheme]]:
        """Return the constructor's controls, and the target's open features as a positive control of each path."""
        openly = OpenFeatures.of(target)
        variant = openly.variant(data.auxiliary.samples[:4])
        positive, negative = super().control_cases(target, data)
        return [
            positive,
            *(ControlCase[TemplateScheme]("positive", openly, path, variant) for path in paths),
            negative,
        ]

    @staticmethod
    def _acceptance_rates(
        systems: Mapping[str, TemplateSystem], presented: np.ndarray, score: Score = TemplateSystem.score
    ) -> dict[str, Metric]:
        """Return the share accepted by each system at each false match rate, as `<name>_at_<FMR>`.

        Args:
            systems: maps the name of a rate, such as "sar", to the system that decides.
            presented: one image or feature vector per victim, shape (n, ...).
            score: function of a system and `presented` that returns match scores, shape (n,).
        """
        scores = {name: score(system, presented) for name, system in systems.items()}
        fmrs = next(iter(systems.values())).thresholds
        return {
            f"{name}_at_{fmr:g}": one.share_accepted(scores[name], fmr)
            for fmr in fmrs
            for name, one in systems.items()
            if fmr in one.thresholds
        }

    def _set_gain(
        self, findings: Findings, system: TemplateSystem, scores: np.ndarray, chances: Mapping[str, float]
    ) -> None:
        """Set the gain: the share of match scores, shape (n,), that are accepted, above the largest chance.

        Args:
            findings: findings to add to; a chance too close to 1 leaves them undecided, with the reason.
            system: the system that decides.
            scores: the match score of what is presented as each victim, shape (n,).
            chances: maps the name of a setting or a baseline to the chance that it gives, in [0, 1].
        """
        setting = max(chances, key=lambda name: chances[name])
        try:
            refuse_large_chance(chances[setting], len(scores), self.broken_threshold, setting)
        except Undecidable as why:
            leave_undecided(findings, why, len(scores))
            return
        share = system.share_accepted(scores, confidence=CONFIDENCE)
        findings.gain = above_chance(share, chances[setting])
