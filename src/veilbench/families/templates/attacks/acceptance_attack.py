"""Attacks that succeed if the recognition system accepts what the attacker presents."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from veilbench.bench.findings import Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.intervals import above_chance, proportion

MOST_CHANCE = 0.999  # chance is capped, because the gain above a chance of 1 is undefined

Accepts = Callable[[TemplateSystem, np.ndarray, float], np.ndarray]  # system, what is presented, FMR -> (n,), bool


class AcceptanceAttack(TemplateAttack):
    """Presents images or features to the recognition system, and measures the share that it accepts as the victims'.

    Two rates are reported for each false match rate. SAR (successful attack rate) is the share of victims whose
    enrolled template accepts what is presented. PRAR is the same for a template of the same impression under a new key.
    A stranger's image is accepted at the false match rate. The gain is the SAR at the reference false match rate above
    chance, which is the larger of blind guessing and a baseline that uses no template.

    Args:
        threat: threat model; must grant `threat_needs`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        operating_point: false match rates of the system, and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
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

    @staticmethod
    def _acceptance_rates(
        systems: Mapping[str, TemplateSystem], presented: np.ndarray, accepts: Accepts = TemplateSystem.accepts
    ) -> dict[str, Metric]:
        """Return the share accepted by each system at each false match rate, as `<name>_at_<FMR>`.

        Args:
            systems: maps the name of a rate, such as "sar", to the system that decides.
            presented: one image or feature vector per victim, shape (n, ...).
            accepts: function of a system, `presented` and a false match rate that returns decisions, shape (n,), bool.
        """
        rates = {}
        for fmr in next(iter(systems.values())).thresholds:
            for name, system in systems.items():
                rates[f"{name}_at_{fmr:g}"] = share_of_true(accepts(system, presented, fmr))
        return rates

    @staticmethod
    def _gain(accepted: np.ndarray, *chances: float) -> Metric:
        """Return the share of accepted attempts, shape (n,), bool, above the largest of the given chances."""
        return above_chance(share_of_true(accepted, CONFIDENCE), min(max(chances), MOST_CHANCE))


def share_of_true(accepted: np.ndarray, confidence: float = 0.95) -> Metric:
    """Return the share of true values in an array of shape (n,), bool, with its confidence interval."""
    return proportion(int(accepted.sum()), len(accepted), confidence)
