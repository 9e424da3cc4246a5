"""Base class of attacks on biometric templates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack, ControlCase
from veilbench.bench.findings import Findings
from veilbench.families.templates.attacks.system import first_row_of_each, refuse_constant_scores
from veilbench.families.templates.attacks.undecided import NotApplicable, Undecidable, leave_undecided
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.wrapped.embedding_extractor import EmbeddingExtractor


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
        threat_needs: flags that the threat model must grant; otherwise `run` raises an error.
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
        return self._guard(
            target, data, lambda findings: self.attack(findings, target, data, accelerator, rng, control)
        )

    def _guard(self, target: TemplateScheme, data: Identities, attack: Callable[[Findings], None]) -> Findings:
        """Check the threat model and the scheme, and call an attack; say so if it can decide nothing.

        Args:
            target: scheme to attack, with trained weights.
            data: identities, split into roles.
            attack: function that adds the gain and the metrics to the findings that it is given.
        """
        self.threat.require(*self.threat_needs)
        findings = Findings(f"{self.title} ({variant})" if (variant := self.variant()) else self.title)
        try:
            refuse_constant_scores(target, data.enrolment.samples[first_row_of_each(data.enrolment.identities)])
            attack(findings)
        except Undecidable as why:
            leave_undecided(findings, why)
        except NotApplicable as why:
            findings.reason = f"not applicable by construction: {why}"
        return findings

    def control_cases(self, target: TemplateScheme, data: Identities) -> Sequence[ControlCase[TemplateScheme]]:
        """Return the constructor's controls; on data without images they protect the embeddings."""
        cases = super().control_cases(target, data)
        return cases if data.has_images else [_on_embeddings(case) for case in cases]

    def variant(self) -> str | None:
        """Return a text that distinguishes this configuration, for the title of the findings; None for no text."""
        return None

    @abstractmethod
    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Attack a scheme, and add the gain and the metrics to the findings.

        Args:
            findings: findings to add to; the title is already set.
            target: scheme to attack, with trained weights.
            data: identities, split into roles.
            accelerator: device and trainer settings.
            rng: source of all random numbers.
            control: whether this is a control run, which only needs the gain; figures and pictures can be skipped.
        """


def _on_embeddings(case: ControlCase[TemplateScheme]) -> ControlCase[TemplateScheme]:
    """Return a control whose scheme protects embeddings in place of features of images."""
    return case if case.scheme is None else replace(case, scheme=case.scheme.with_extractor(EmbeddingExtractor()))
