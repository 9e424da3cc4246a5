"""Attacks on disclosed templates, whose negative control shows them strangers' templates."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Metric
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme


class DisclosedTemplateAttack(AcceptanceAttack):
    """Reads the victims' templates, and presents what it makes of them to the recognition system.

    If no negative control is given, the attacker sees a stranger's template in place of each victim's.
    """

    @abstractmethod
    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
        strangers: bool = False,
    ) -> None:
        """Attack a scheme, as `TemplateAttack.attack` does.

        Args:
            findings: findings to add to; the title is already set.
            target: scheme to attack, with trained weights.
            data: identities, split into roles.
            accelerator: device and trainer settings.
            rng: source of all random numbers.
            control: whether this is a control run, which only needs the gain; figures and pictures can be skipped.
            strangers: whether the attacker sees a stranger's template in place of each victim's.
        """

    def _own_control(
        self, target: TemplateScheme, data: Identities, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Attack the target with a stranger's template shown in place of each victim's."""
        rng = np.random.default_rng(seed)
        found = self._guard(
            target,
            data,
            lambda findings: self.attack(findings, target, data, trainer, rng, control=True, strangers=True),
        )
        assert found.gain is not None
        return f"{type(target).__name__} with strangers' templates", found.gain
