"""Inference of people's attributes from their templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import BudgetCurve, Findings, Metric, Table
from veilbench.bench.limits import PositiveShare, Width
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.learners import Learner, fit_classifier
from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.attacks.system import first_row_of_each, split_auxiliary
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.families.templates.attacks.undecided import NotApplicable, Undecidable
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.intervals import above_chance, bounded_mean

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HELD_OUT = 0.2  # share of the auxiliary identities that choose the classifier
Parts = tuple[Impressions, Impressions, Impressions]  # for training, held out, the victims'
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # one array for each part


class TemplateAttribute(TemplateAttack):
    """Trains attribute classifiers on templates of auxiliary identities and applies them to the victims' templates.

    If the threat model grants `key`, templates are first mapped to features under the victims' keys, by
    `TemplateFeatures`. All labels have equal weight: classifiers are trained on equal numbers of rows, and the measure
    is the balanced accuracy, the mean over labels of the share of victims with this label who are classified correctly.
    Guessing without templates, by whatever rule, reaches 1 / labels. Held-out identities choose the
    classifier. The gain is the balanced accuracy above that for the attribute `judged`, on one enrolled template of
    each victim. For comparison, the same attack runs on principal components of the unprotected images, if the
    data are images: what a template reveals without any protection.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key` adds the victims' keys.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        attributes: names of the attributes to infer; None infers all attributes of the data.
        judged: attribute that the gain is measured on, one of `attributes`.
        learners: kinds of classifiers to train; the one with the highest balanced accuracy on held-out
            identities is used.
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
        broken_threshold: PositiveShare = 0.4,
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
        if data.has_images and not control:
            sources["image"] = self._image_components(parts)
        rows: list[list[str | float | Metric | None]] = []
        for name in [self.judged] if control else names:
            labels = training.attributes[name], held_out.attributes[name], parts[2].attributes[name]
            results = {source: self._classify(features, labels, rng) for source, features in sources.items()}
            hits = [balanced_accuracy(found.correct, labels[2]) for found in results.values()]
            guess = 1 / len(np.unique(labels[2]))
            findings.metrics |= {f"{name}_{source}": hit for source, hit in zip(results, hits, strict=True)}
            findings.metrics[f"{name}_guess"] = Metric.exact(guess, len(labels[2]), "share")
            rows.append([name, guess, *hits, results["template"].learner])
            if name == self.judged:
                findings.gain = _gain(results["template"].correct, labels[2])
                findings.budget = None if control else _budget(results["template"], sources["template"], labels, rng)
        columns = ["attribute", "guess", *(f"from the {source}" for source in sources), "learner"]
        findings.tables.append(Table("Balanced accuracy of inferred attributes", columns, rows))

    def _attribute_names(self, data: Identities) -> list[str]:
        names = self.attributes or sorted(data.labels)
        if missing := [name for name in [*names, self.judged] if name not in data.labels]:
            known = ", ".join(data.labels) or "none"
            raise NotApplicable(f"judged or attributes names {missing[0]}, and the attributes of the data are: {known}")
        return names

    def _template_features(self, scheme: TemplateScheme, parts: Parts, rng: np.random.Generator) -> Arrays:
        features = TemplateFeatures(scheme, parts[0], self.threat.key, rng)
        keys = [draw_user_keys(part.identities, rng) for part in parts[1:]]
        held_out, victims = (
            features.transform(scheme.enroll(part.samples, part_keys), part_keys)
            for part, part_keys in zip(parts[1:], keys, strict=True)
        )
        return features.transform_own(), held_out, victims

    def _image_components(self, parts: Parts) -> Arrays:
        training, held_out, victims = (part.images.reshape(len(part), -1) for part in parts)
        basis = principal_components(training, self.components).T
        return training @ basis, held_out @ basis, victims @ basis

    def _classify(self, features: Arrays, labels: Arrays, rng: np.random.Generator) -> Classified:
        """Classify the victims by the learner that is best on held-out identities."""
        models = {kind: _fit_balanced(kind, features[0], labels[0], rng) for kind in self.learners}
        accuracy = {kind: _held_out_accuracy(model, features, labels) for kind, model in models.items()}
        best = max(models, key=lambda kind: accuracy[kind])
        return Classified(np.asarray(models[best].predict(features[2]) == labels[2]), best, accuracy[best])


@dataclass(frozen=True)
class Classified:
    """What the best classifier found.

    Attributes:
        correct: whether each victim is classified correctly, shape (n,), bool.
        learner: kind of the classifier.
        accuracy: its balanced accuracy on the held-out identities, in [0, 1].
    """

    correct: np.ndarray
    learner: Learner
    accuracy: float


def _fit_balanced(kind: Learner, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pipeline:
    """Fit a classifier to as many rows of each label."""
    drawn = draw_balanced(labels, rng)
    return fit_classifier(kind, rows[drawn], labels[drawn], rng)


def _held_out_accuracy(model: Pipeline, features: Arrays, labels: Arrays) -> float:
    """Return the balanced accuracy on the held-out identities."""
    return float(label_weights(labels[1]) @ (model.predict(features[1]) == labels[1]))


def _budget(found: Classified, features: Arrays, labels: Arrays, rng: np.random.Generator) -> BudgetCurve:
    """Return the gain on held-out identities with half and with all of the training rows."""
    half = draw_half(labels[0], rng)
    model = _fit_balanced(found.learner, features[0][half], labels[0][half], rng)
    guess = 1 / max(2, len(np.unique(labels[1])))
    accuracies = {len(half): _held_out_accuracy(model, features, labels), len(labels[0]): found.accuracy}
    gains = [(accuracy - guess) / (1 - guess) for accuracy in accuracies.values()]
    return BudgetCurve("auxiliary impressions", list(accuracies), gains)


def draw_half(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return indices of half of the rows in random order; every label keeps at least one row."""
    order = rng.permutation(len(labels))
    first = order[np.unique(labels[order], return_index=True)[1]]
    rest = order[~np.isin(order, first)]
    return np.concatenate([first, rest])[: max(len(first), len(labels) // 2)]


def draw_balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return row indices in which every label is as frequent as the commonest one; rarer ones are repeated."""
    counts = np.bincount(labels)
    rows = [np.resize(rng.permutation(np.flatnonzero(labels == label)), counts.max()) for label in np.unique(labels)]
    return np.sort(np.concatenate(rows))


def label_weights(labels: np.ndarray) -> np.ndarray:
    """Return weights of rows that sum to 1, with equal sums for all labels; shape (n,)."""
    _, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(counts) * counts[where]))


def balanced_accuracy(correct: np.ndarray, labels: np.ndarray, confidence: float = 0.95) -> Metric:
    """Return the mean over labels of the share of correct rows.

    Each row counts by its label's weight. Weighted hits are independent and bounded, and have the interval of
    `bounded_mean`; it takes the shares of the labels as given.

    Args:
        correct: whether each row is classified correctly, shape (n,), bool.
        labels: label of each row, shape (n,).
        confidence: confidence level of the interval, in (0, 1).
    """
    weights = len(labels) * label_weights(labels)
    largest = float(weights.max())
    scaled = bounded_mean(correct * weights / largest, confidence, of="victims")
    value, low, high = (largest * end for end in (scaled.value, scaled.low, scaled.high))
    return replace(scaled, value=min(value, 1.0), low=low, high=max(min(high, 1.0), min(value, 1.0)))


def _gain(correct: np.ndarray, labels: np.ndarray) -> Metric:
    """Return the balanced accuracy above that of a guess.

    Raises:
        Undecidable: all victims have the same label.
    """
    if (count := len(np.unique(labels))) == 1:
        raise Undecidable("all victims have the same label of the attribute `judged`")
    return above_chance(balanced_accuracy(correct, labels, CONFIDENCE), 1 / count)
