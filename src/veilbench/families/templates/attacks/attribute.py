"""Inference of people's attributes from their templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE, Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import PositiveShare, Width
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.decoders import principal
from veilbench.families.templates.attacks.learners import Learner, learned
from veilbench.families.templates.attacks.reader import TemplateReader
from veilbench.families.templates.attacks.system import divided, first_of_each
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.intervals import above_chance, proportion

HELD_OUT = 0.2
Sides = tuple[np.ndarray, np.ndarray, np.ndarray]  # for the training, held-out and victims' impressions


class TemplateAttribute(Attack[TemplateScheme, Identities]):
    """Trains attribute classifiers on templates of auxiliary identities and applies them to the victims' templates.

    If the threat model grants `key`, templates are first mapped to features under the victims' keys, by
    `TemplateReader`. Held-out identities choose the classifier. The gain is the accuracy for the attribute `judged` on
    one enrolled template of each victim, above the share of the victims' most common label, which is the best guess
    without templates. For comparison, the same attack runs on principal components of the images themselves: an upper
    limit of what hiding them can prevent.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key` adds the victims' keys.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        attributes: names of the attributes to infer; None means all that the data have.
        judged: attribute that the gain is measured on, one of `attributes`.
        learners: kinds of classifiers; the best one on held-out identities counts.
        components: principal components of the images in the comparison attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    title = "Attributes from templates"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        attributes: Annotated[Sequence[str], MinLen(1)] | None = None,
        judged: str = "pattern",
        learners: Annotated[Sequence[Learner], MinLen(1)] = ("linear", "knn", "mlp"),
        components: Width = 128,
        broken_threshold: PositiveShare = 0.25,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if attributes is not None and judged not in attributes:
            raise ValueError(f"judged={judged} must be one of attributes={list(attributes)}")
        self.attributes, self.judged = attributes if attributes is None else list(attributes), judged
        self.learners, self.components = list(learners), components

    def run(
        self,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """Run the attack; a control infers the attribute `judged` alone, and not from images."""
        self.threat.require("ciphertext", "auxiliary_data", "own_keys")
        found = Findings(f"{self.title} ({'key known' if self.threat.key else 'key unknown'})")
        names = self._names(data)
        known, held_out = divided(data.auxiliary, HELD_OUT, rng)
        parts = known, held_out, data.enrolment.chosen(first_of_each(data.enrolment.identities))
        sources = {"template": self._read(target, parts, rng)}
        if not control:
            sources["image"] = self._images(parts)
        rows: list[list[str | float | Metric | None]] = []
        for name in [self.judged] if control else names:
            labels = known.attributes[name], held_out.attributes[name], parts[2].attributes[name]
            prior = float(np.bincount(labels[2]).max() / len(labels[2]))
            right = {source: self._right(sides, labels, rng) for source, sides in sources.items()}
            hits = [proportion(int(answers.sum()), len(answers)) for answers, _ in right.values()]
            found.metrics |= {f"{name}_{source}": hit for source, hit in zip(right, hits, strict=True)}
            found.metrics[f"{name}_prior"] = Metric.exact(prior, len(labels[2]), "share")
            rows.append([name, prior, *hits, right["template"][1]])
            if name == self.judged:
                answers = right["template"][0]
                measured = proportion(int(answers.sum()), len(answers), CONFIDENCE)
                found.gain = above_chance(measured, prior) if prior < 1 else Metric.exact(0.0, len(answers))
        columns = ["attribute", "most common label", *(f"from the {source}" for source in sources), "learner"]
        found.tables.append(Table("Attributes inferred correctly", columns, rows))
        return found

    def _names(self, data: Identities) -> list[str]:
        names = self.attributes or sorted(data.labels)
        if missing := [name for name in [*names, self.judged] if name not in data.labels]:
            raise UserError(f"the data have no attribute {missing[0]}; they have: {', '.join(data.labels) or 'none'}")
        return names

    def _read(
        self, scheme: TemplateScheme, parts: tuple[Impressions, Impressions, Impressions], rng: np.random.Generator
    ) -> Sides:
        reader = TemplateReader(scheme, parts[0], self.threat.key, rng)
        keys = [user_keys(part.identities, rng) for part in parts[1:]]
        held_out, victims = (
            reader.read(scheme.enroll(part.images, own), own) for part, own in zip(parts[1:], keys, strict=True)
        )
        return reader.own(), held_out, victims

    def _images(self, parts: tuple[Impressions, Impressions, Impressions]) -> Sides:
        known, held_out, victims = (part.images.reshape(len(part), -1) for part in parts)
        basis = principal(known, self.components).T
        return known @ basis, held_out @ basis, victims @ basis

    def _right(self, sides: Sides, labels: Sides, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """Return for which victims the best classifier is right, shape (n,), bool; and that classifier's name."""
        models = {kind: learned(kind, sides[0], labels[0], rng) for kind in self.learners}
        best = max(models, key=lambda kind: float(np.mean(models[kind].predict(sides[1]) == labels[1])))
        return np.asarray(models[best].predict(sides[2]) == labels[2]), best
