"""What all attacks on biometric templates share: the kinds of target and data, and how a run starts."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.findings import Findings
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme


class TemplateAttack(Attack[TemplateScheme, Identities]):
    """Attacks a template scheme whose victims are the enrolled test identities.

    Subclasses implement `attack`. Attacks that present something to the recognition system derive from
    `AcceptanceAttack`.

    Args:
        threat: threat model; must grant `threat_needs`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.

    Attributes:
        threat_needs: flags that the threat model must grant; `run` refuses to start without them.
    """

    data_kind = Identities
    target_kind = TemplateScheme
    threat_needs: tuple[str, ...] = ()

    def run(
        self,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """Check the threat model, run the attack and report its gain.

        Raises:
            UserError: the threat model does not grant what the attack needs.
        """
        self.threat.require(*self.threat_needs)
        found = Findings(f"{self.title} ({variant})" if (variant := self.variant()) else self.title)
        self.attack(found, target, data, accelerator, rng, control)
        return found

    def variant(self) -> str | None:
        """Return what distinguishes this configuration in the title of the findings; None if nothing does."""
        return None

    @abstractmethod
    def attack(
        self,
        found: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Attack one scheme, and add the gain and the metrics to the findings.

        Args:
            found: findings to extend, with the title set.
            target: scheme to attack, with trained weights.
            data: identities, split into roles.
            accelerator: device and trainer settings.
            rng: source of all random numbers.
            control: whether only the gain is needed, so that curves and pictures can be left out.
        """
