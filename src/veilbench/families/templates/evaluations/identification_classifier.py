"""How well does a server's classifier identify people by their templates, and from how few of each?"""

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
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.metrics.intervals import ends, proportion

Classifier = Literal["logistic", "knn", "mlp"]
SPREAD = 10.0  # mean length of training rows, so that regularisation does not depend on their unit


class IdentificationClassifier(Evaluation):
    """Trains classifiers on some templates of each test person, and tests them on the others.

    People are split into groups of `classes` people; a classifier is trained for each group, and the answers are
    counted together. The Clopper-Pearson interval treats answers as independent, which those about one person are not
    quite. The same is done with raw pixels and with principal components fitted to the training people.

    A user's own key, if the scheme has one, identifies users by itself. `own_token` (a key for each person) is
    therefore reported together with `stolen_token`, where the key carries no information because all people have the
    same one.

    Args:
        samples: numbers of impressions of each person to learn from.
        classes: numbers of people to tell apart.
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
        images = np.concatenate([data.enrolment.images, data.probe.images])
        people = np.r_[data.enrolment.identities, data.probe.identities]
        rows = self._templates(model, data, images, people, rng)
        order = rng.permutation(len(people))
        rows, people = {name: made[order] for name, made in rows.items()}, people[order]
        found, table = Findings("Server's classifier"), list[list[str | float | Metric | None]]()
        groups = {count: split_people(people, count, rng) for count in self.classes}
        for count, samples in ((c, s) for c in self.classes for s in self.samples):
            if reason := refused(people, groups[count], count, samples):
                found.notes.append(f"Refused: {reason}.")
                continue
            for name, made in rows.items():
                table.append([name, count, samples, *self._shares(made, people, groups[count], samples, rng)])
        self._write(found, table)
        if not model.keyed:
            found.notes.append("The templates have no key: there is one scenario.")
        return found

    def _templates(
        self, model: TemplateScheme, data: Identities, images: np.ndarray, people: np.ndarray, rng: Any
    ) -> dict[str, np.ndarray]:
        """Return the rows to classify, by name; each of shape (n, d), float64."""
        features, keys = model.features(images), user_keys(people, rng)
        made = {"own_token": model.protect(features, keys)}
        if model.keyed:
            made["stolen_token"] = model.protect(features, np.full(len(images), keys[0]))
        raw = Extractor("pixels", None)
        most = min(self.components, len(data.train), raw(images[:1]).shape[1])
        made |= {"raw pixels": raw(images), "pca": Extractor("pixels", most).fitted(data.train.images, rng)(images)}
        if isinstance(made["own_token"][0, 0], np.integer) and not model.binary:
            made |= {name: compared(model, made[name]) for name in ("own_token", "stolen_token") if name in made}
        return {name: rows.reshape(len(rows), -1).astype(np.float64) for name, rows in made.items()}

    def _shares(
        self, rows: np.ndarray, people: np.ndarray, groups: list[np.ndarray], samples: int, rng: Any
    ) -> list[Metric]:
        """Return the accuracy of each kind of classifier over all groups."""
        right, tested = dict.fromkeys(self.classifiers, 0), 0
        for group in groups:
            own = np.flatnonzero(np.isin(people, group))
            learned = place_among_own(people[own]) < samples
            train, test = scaled(*(rows[own[part]] for part in (learned, ~learned)))
            for kind in self.classifiers:
                answers = classifier(kind, self.hidden, rng).fit(train, people[own[learned]]).predict(test)
                right[kind] += int((answers == people[own[~learned]]).sum())
            tested += len(test)
        return [proportion(right[kind], tested) for kind in self.classifiers]

    def _write(self, found: Findings, table: list[list[Any]]) -> None:
        found.tables = [
            Table("Accuracy of the server's classifier", ["on", "classes", "samples", *self.classifiers], table)
        ]
        for name, count, samples, *shares in table:
            best = max(shares, key=lambda share: share.value)
            found.metrics[f"{name.replace(' ', '_')}_{count}_classes_{samples}_samples"] = best
        for count in self.classes:
            curves = []
            for name in dict.fromkeys(row[0] for row in table):
                own = [row for row in table if row[0] == name and row[1] == count]
                curves.append(Curve(name, [r[2] for r in own], *ends([max(r[3:], key=lambda m: m.value) for r in own])))
            if curves and curves[0].x:
                title = f"Best classifier of {count} people"
                found.figures.append(Figure(title, "samples of each", "accuracy", curves, log_x=True))
        if len(self.classifiers) > 1:
            found.notes.append(
                "The metrics are those of the best classifier, chosen on the test: see the table for all."
            )


def classifier(kind: str, hidden: int, rng: np.random.Generator) -> Any:
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


def scaled(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale both sets by the training set, in the space that the training rows span.

    A linear classifier with a squared penalty cannot leave that space, and what lies outside of it adds the same amount
    to a row's squared distances from all training rows. So nothing is lost, and raw pixels cost as little as short
    codes.
    """
    mean = train.mean(0)
    train, test = train - mean, test - mean
    if len(train) < train.shape[1]:
        basis = np.linalg.qr(train.T)[0]
        train, test = train @ basis, test @ basis
    scale = SPREAD / max(float(np.sqrt((train**2).sum(1).mean())), 1e-12)
    return train * scale, test * scale


def compared(scheme: TemplateScheme, templates: np.ndarray) -> np.ndarray:
    """Represent index templates by their similarities to all templates, shape (n, n), since indices have no order."""
    return scheme.compare_all(templates, templates)


def place_among_own(people: np.ndarray) -> np.ndarray:
    """Return how many rows of the same person precede each row, shape (n,)."""
    places = np.empty(len(people), np.int64)
    for who in np.unique(people):
        own = people == who
        places[own] = np.arange(own.sum())
    return places


def split_people(people: np.ndarray, classes: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Split people into groups of `classes` each; those left over are in none."""
    drawn = rng.permutation(np.unique(people))
    return [drawn[at : at + classes] for at in range(0, len(drawn) - classes + 1, classes)]


def refused(people: np.ndarray, groups: list[np.ndarray], classes: int, samples: int) -> str:
    """Return why a setting cannot be measured; empty if it can."""
    counts = np.unique(people, return_counts=True)[1]
    if not groups:
        return f"{classes} classes need {classes} people; the test has {len(counts)}"
    if counts.min() <= samples:
        return f"{samples} samples of each need {samples + 1} impressions; a test person has {counts.min()}"
    return ""
