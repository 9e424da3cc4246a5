"""What every attack on templates does with its verdict: say so where nothing can be decided."""

from __future__ import annotations

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import Findings
from veilbench.families.templates.attacks.undecided import explain_undecided
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme


class TemplateExaminer(Attack[TemplateScheme, Identities]):
    """Gives a verdict on a template scheme, or the reason why nothing can be decided about it."""

    data_kind = Identities
    target_kind = TemplateScheme

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
