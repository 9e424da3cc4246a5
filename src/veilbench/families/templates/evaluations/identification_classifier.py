"""Measures how well a server can identify people with a classifier trained on few templates of each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Count, Width
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.metrics.intervals import ends, proportion

Classifier = Literal["logistic", "knn", "mlp"]
BASELINES = ("raw pixels", "pca")
SPREAD = 10.0  # mean length of training rows, so that regularisation does not depend on their unit


class IdentificationClassifier(Evaluation):
    """Trains classifiers on some templates of each test person, and tests them on the other templates.

    People are split into groups of `classes` people. One classifier is trained per group, and the accuracy is that over
    all groups. Its Clopper-Pearson interval treats predictions as independent, although those about one person are
    slightly dependent. For comparison, the same classifiers are trained on raw pixels, and on principal components
    fitted to the training people, if the data are images.

    With a key for each person (`own_token`), the key alone may identify the person. Therefore `stolen_token` is
    reported too: all people have the same key, which carries no information.

    Args:
        samples: numbers of training impressions per person.
        classes: numbers of people (classes) per group.
        classifiers: kinds of classifiers: logistic regression, the nearest neighbour, or a network with one hidden
            layer.
        hidden: units of the network's hidden layer.
        components: maximum number of principal components in the comparison.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    def __init__(
        self,
        samples: Annotated[Sequence[Count], MinLen(1)] = (1, 2, 5, 10),
        classes: Annotated[Sequence[Annotated[Count, Ge(2)]], MinLen(1)] = (10, 50),
        classifiers: Annotated[Sequence[Classifier], MinLen(1)] = ("logistic", "knn", "mlp"),
        hidden: Width = 64,
        components: Width = 128,
    ) -> None:
        self.samples, self.classes, self.classifiers = list(samples), list(classes), list(classifiers)
        self.hidden, self.components = hidden, components

    def examine(
        self, model: TemplateScheme, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Run the evaluation and return its findings."""
        rng = np.random.default_rng(seeds)
        inputs = np.concatenate([data.enrolment.samples, data.probe.samples])
        people = np.r_[data.enrolment.identities, data.probe.identities]
        rows = self._rows_to_classify(model, data, inputs, people, rng)
        order = rng.permutation(len(people))
        rows, people = {name: templates[order] for name, templates in rows.items()}, people[order]
        findings, table = Findings("Server's classifier"), list[list[str | float | Metric | None]]()
        groups = {count: split_people(people, count, rng) for count in self.classes}
        for count, samples in ((c, s) for c in self.classes for s in self.samples):
            if reason := reason_to_refuse(people, groups[count], count, samples):
                findings.notes.append(f"Refused: {reason}.")
                continue
            for name, templates in rows.items():
                table.append([name, count, samples, *self._accuracies(templates, people, groups[count], samples, rng)])
        self._report(findings, table)
        if not model.keyed:
            findings.notes.append("The templates have no key: there is one scenario.")
        return findings

    def _rows_to_classify(
        self, model: TemplateScheme, data: Identities, samples: np.ndarray, people: np.ndarray, rng: Any
    ) -> dict[str, np.ndarray]:
        """Return the rows to classify by the names of their kinds; each array has shape (n, d), float64."""
        features, keys = model.features(samples), draw_user_keys(people, rng)
        rows_of = {"own_token": model.protect(features, keys)}
        if model.keyed:
            rows_of["stolen_token"] = model.protect(features, np.full(len(samples), keys[0]))
        if data.has_images:
            rows_of |= self._rows_of_images(data, samples, rng)
        if isinstance(rows_of["own_token"][0, 0], np.integer) and not model.binary:
            rows_of |= {
                name: compare_with_all(model, rows_of[name])
                for name in ("own_token", "stolen_token")
                if name in rows_of
            }
        return {name: rows.reshape(len(rows), -1).astype(np.float64) for name, rows in rows_of.items()}

    def _rows_of_images(self, data: Identities, images: np.ndarray, rng: Any) -> dict[str, np.ndarray]:
        """Return the pixels of images, and their principal components; each array has shape (n, d)."""
        raw = ImageExtractor("pixels", None)
        most = min(self.components, len(data.train), raw(images[:1]).shape[1])
        return {"raw pixels": raw(images), "pca": ImageExtractor("pixels", most).fit(data.train.images, rng)(images)}

    def _accuracies(
        self, rows: np.ndarray, people: np.ndarray, groups: list[np.ndarray], samples: int, rng: Any
    ) -> list[Metric]:
        """Return the accuracy of each kind of classifier over all groups."""
        correct, tested = dict.fromkeys(self.classifiers, 0), 0
        for group in groups:
            members = np.flatnonzero(np.isin(people, group))
            is_training = count_earlier_rows(people[members]) < samples
            train, test = scale_rows(*(rows[members[part]] for part in (is_training, ~is_training)))
            for kind in self.classifiers:
                answers = make_classifier(kind, self.hidden, rng).fit(train, people[members[is_training]]).predict(test)
                correct[kind] += int((answers == people[members[~is_training]]).sum())
            tested += len(test)
        return [proportion(correct[kind], tested) for kind in self.classifiers]

    def _report(self, findings: Findings, table: list[list[Any]]) -> None:
        findings.tables = [
            Table("Accuracy of the server's classifier", ["on", "classes", "samples", *self.classifiers], table)
        ]
        for name, count, samples, *shares in table:
            best = max(shares, key=lambda share: share.value)
            findings.metrics[f"{name.replace(' ', '_')}_{count}_classes_{samples}_samples"] = best
        for count in self.classes:
            curves = []
            for name in dict.fromkeys(row[0] for row in table):
                lines = [row for row in table if row[0] == name and row[1] == count]
                curves.append(
                    Curve(name, [r[2] for r in lines], *ends([max(r[3:], key=lambda m: m.value) for r in lines]))
                )
            if curves and curves[0].x:
                title = f"Best classifier of {count} people"
                findings.figures.append(Figure(title, "samples of each", "accuracy", curves, log_x=True))
        findings.notes += tell_what_is_behind(table)
        if len(self.classifiers) > 1:
            findings.notes.append(
                "The metrics are those of the best classifier on the test data; the table lists all of them."
            )


def tell_what_is_behind(table: Sequence[Sequence[Any]]) -> list[str]:
    """Return a sentence for each setting in which templates tell people apart less well than a baseline does.

    Args:
        table: rows of what is classified, number of classes, number of samples, and the accuracy of each classifier.
            Templates with a key count under one key for all.
    """
    best = {tuple(row[:3]): max(metric.value for metric in row[3:]) for row in table}
    scenario = "stolen_token" if any(name == "stolen_token" for name, *_ in best) else "own_token"
    notes = []
    for (name, count, samples), accuracy in best.items():
        if name in BASELINES and (ahead := accuracy - best[(scenario, count, samples)]) > 0:
            notes.append(
                f"The templates are {100 * ahead:.1f} points behind {name}: classes={count}, samples={samples} of each."
            )
    return notes


def make_classifier(kind: str, hidden: int, rng: np.random.Generator) -> Any:
    """Return a new scikit-learn classifier."""
    warnings.filterwarnings("ignore", module="sklearn", message=".*[Cc]onverge")
    warnings.filterwarnings("ignore", module="sklearn", message="The number of unique classes")
    if kind == "knn":
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(1)
    seed = int(rng.integers(2**31))
    if kind == "mlp":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(hidden, learning_rate_init=0.01, max_iter=100, random_state=seed)
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300, random_state=seed)


def scale_rows(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale both sets by the training set, after projection onto the span of the training rows.

    The projection makes long rows such as raw pixels cheap, and changes no result: the weights of a linear classifier
    with L2 penalty lie in this span, and the component outside of it adds the same constant to a row's squared
    distances from all training rows.
    """
    mean = train.mean(0)
    train, test = train - mean, test - mean
    if len(train) < train.shape[1]:
        basis = np.linalg.qr(train.T)[0]
        train, test = train @ basis, test @ basis
    scale = SPREAD / max(float(np.sqrt((train**2).sum(1).mean())), 1e-12)
    return train * scale, test * scale


def compare_with_all(scheme: TemplateScheme, templates: np.ndarray) -> np.ndarray:
    """Represent index templates by their similarities to all templates, shape (n, n), since indices have no order."""
    return scheme.compare_all(templates, templates)


def count_earlier_rows(people: np.ndarray) -> np.ndarray:
    """Count the earlier rows of the same person, for each row; shape (n,)."""
    counts = np.empty(len(people), np.int64)
    for person in np.unique(people):
        rows = people == person
        counts[rows] = np.arange(rows.sum())
    return counts


def split_people(people: np.ndarray, classes: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Split the distinct people at random into groups of `classes`; the remainder is dropped."""
    shuffled = rng.permutation(np.unique(people))
    return [shuffled[start : start + classes] for start in range(0, len(shuffled) - classes + 1, classes)]


def reason_to_refuse(people: np.ndarray, groups: list[np.ndarray], classes: int, samples: int) -> str:
    """Return why a setting cannot be measured; empty if it can."""
    counts = np.unique(people, return_counts=True)[1]
    if not groups:
        return f"{classes} classes need {classes} people; the test has {len(counts)}"
    if counts.min() <= samples:
        return f"{samples} samples of each need {samples + 1} impressions; a test person has {counts.min()}"
    return ""
