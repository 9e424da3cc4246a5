"""Inference of people's attributes from their templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import PositiveShare, Width
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.learners import Learner, fit_classifier
from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.attacks.system import first_row_of_each, split_auxiliary
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.intervals import above_chance, proportion

HELD_OUT = 0.2  # share of the auxiliary identities that choose the classifier
Parts = tuple[Impressions, Impressions, Impressions]  # for training, held out, the victims'
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # one array for each part


class TemplateAttribute(TemplateAttack):
    """Trains attribute classifiers on templates of auxiliary identities and applies them to the victims' templates.

    If the threat model grants `key`, templates are first mapped to features under the victims' keys, by
    `TemplateFeatures`. Held-out identities choose the classifier. The gain is the accuracy for the attribute `judged`
    on one enrolled template of each victim, above the share of the victims' most common label, which is the best guess
    without templates. For comparison, the same attack runs on principal components of the unprotected images: what a
    template reveals without any protection.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key` adds the victims' keys.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        attributes: names of the attributes to infer; None infers all attributes of the data.
        judged: attribute that the gain is measured on, one of `attributes`.
        learners: kinds of classifiers to train; the one with the highest accuracy on held-out identities is used.
        components: maximum number of principal components of the images in the comparison attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    title = "Attributes from templates"
    threat_needs = ("ciphertext", "auxiliary_data", "own_keys")

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

    def variant(self) -> str:
        """Return whether the victims' keys are known."""
        return "key known" if self.threat.key else "key unknown"

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Infer the victims' attributes. A control run infers `judged` only, and skips the comparison with images."""
        names = self._attribute_names(data)
        training, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        parts = training, held_out, data.enrolment.subset(first_row_of_each(data.enrolment.identities))
        sources = {"template": self._template_features(target, parts, rng)}
        if not control:
            sources["image"] = self._image_components(parts)
        rows: list[list[str | float | Metric | None]] = []
        for name in [self.judged] if control else names:
            labels = training.attributes[name], held_out.attributes[name], parts[2].attributes[name]
            prior = float(np.bincount(labels[2]).max() / len(labels[2]))
            results = {source: self._classify(features, labels, rng) for source, features in sources.items()}
            hits = [proportion(int(correct.sum()), len(correct)) for correct, _ in results.values()]
            findings.metrics |= {f"{name}_{source}": hit for source, hit in zip(results, hits, strict=True)}
            findings.metrics[f"{name}_prior"] = Metric.exact(prior, len(labels[2]), "share")
            rows.append([name, prior, *hits, results["template"][1]])
            if name == self.judged:
                findings.gain = _gain(results["template"][0], prior)
        columns = ["attribute", "most common label", *(f"from the {source}" for source in sources), "learner"]
        findings.tables.append(Table("Attributes inferred correctly", columns, rows))

    def _attribute_names(self, data: Identities) -> list[str]:
        names = self.attributes or sorted(data.labels)
        if missing := [name for name in [*names, self.judged] if name not in data.labels]:
            raise UserError(f"the data have no attribute {missing[0]}; they have: {', '.join(data.labels) or 'none'}")
        return names

    def _template_features(self, scheme: TemplateScheme, parts: Parts, rng: np.random.Generator) -> Arrays:
        features = TemplateFeatures(scheme, parts[0], self.threat.key, rng)
        keys = [draw_user_keys(part.identities, rng) for part in parts[1:]]
        held_out, victims = (
            features.transform(scheme.enroll(part.images, part_keys), part_keys)
            for part, part_keys in zip(parts[1:], keys, strict=True)
        )
        return features.transform_own(), held_out, victims

    def _image_components(self, parts: Parts) -> Arrays:
        training, held_out, victims = (part.images.reshape(len(part), -1) for part in parts)
        basis = principal_components(training, self.components).T
        return training @ basis, held_out @ basis, victims @ basis

    def _classify(self, features: Arrays, labels: Arrays, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """Return for which victims the best classifier is right, shape (n,), bool; and that classifier's name."""
        models = {kind: fit_classifier(kind, features[0], labels[0], rng) for kind in self.learners}
        best = max(models, key=lambda kind: float(np.mean(models[kind].predict(features[1]) == labels[1])))
        return np.asarray(models[best].predict(features[2]) == labels[2]), best


def _gain(correct: np.ndarray, prior: float) -> Metric:
    """Return the accuracy above the share of the most common label; 0 if all labels are the same."""
    if prior == 1:
        return Metric.exact(0.0, len(correct))
    return above_chance(proportion(int(correct.sum()), len(correct), CONFIDENCE), prior)
