"""Measures how useful a code is: simple classifiers on the code, compared with the same on the raw rows."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Count
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.evaluations.applicability import need_finite, need_rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.intervals import proportion
from veilbench.metrics.majority import note_constant, note_one_sided

ROUNDS, MOST_CLASSES = 500, 10  # maximum iterations of the solver; maximum number of classes in the figure


class Probe(Evaluation):
    """Trains logistic regression and k nearest neighbours on standardised codes of training rows.

    Args:
        neighbours: number of neighbours k.
        most_rows: maximum number of training rows for the probes.
        picture: method that lays out the code in two dimensions.
        points: maximum number of points in the figure.
    """

    data_kind = Rows
    target_kind = Representation

    def __init__(
        self,
        neighbours: Count = 5,
        most_rows: Annotated[Count, Ge(2)] = 5_000,
        picture: Literal["pca", "tsne"] = "pca",
        points: Annotated[Count, Ge(3)] = 400,
    ) -> None:
        self.neighbours, self.most_rows, self.picture, self.points = neighbours, most_rows, picture, points

    def examine(self, model: TrainedModel, rows: Rows, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Run the evaluation and return its findings.

        Raises:
            NotImplementedError: the model has no code, or the training rows have fewer than two labels.
        """
        if not isinstance(model, Representation):
            raise NotImplementedError(f"{type(model).__name__} has no code")
        need_rows(rows)
        train = Part(rows.train.x[: self.most_rows], rows.train.y[: self.most_rows])
        if len(present := np.unique(train.y)) < 2:
            raise NotImplementedError(f"all training rows have the label {rows.labels[present[0]]}")
        if self.neighbours > len(train):
            raise UserError(f"neighbours={self.neighbours} are more than the {len(train)} training rows")
        findings = Findings("Probe", notes=[*rows.notes, *note_one_sided(rows.test.y, rows.labels, "test rows")])
        lines: list[list[str | float | Metric | None]] = []
        codes = [need_finite(model.encode(part.x), "its encoder") for part in (train, rows.test)]
        for prefix, name, pair in (("", "code", codes), ("raw_", "raw rows", [train.x, rows.test.x])):
            flat = [array.reshape(len(array), -1) for array in pair]
            measured = self._fit_probes(name, flat, train.y, rows, findings)
            findings.metrics |= {prefix + key: metric for key, metric in measured.items()}
            lines.append([name, flat[0].shape[1], *measured.values()])
        majority = proportion(int((rows.test.y == np.bincount(train.y).argmax()).sum()), len(rows.test))
        findings.metrics["majority"] = majority
        headings = ["trained on", "values", "logistic regression", f"{self.neighbours} nearest neighbours"]
        table = Table(
            "Share of test rows classified correctly", headings, [*lines, ["most common label", 0, *[majority] * 2]]
        )
        findings.tables.append(table)
        findings.figures.append(self._draw_codes(codes[1], rows, np.random.default_rng(seeds), findings))
        return findings

    def _fit_probes(
        self, name: str, pair: list[np.ndarray], y: np.ndarray, rows: Rows, findings: Findings
    ) -> dict[str, Metric]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(pair[0].astype(np.float64))
        train, test = (scaler.transform(array.astype(np.float64)) for array in pair)
        regression, neighbours = LogisticRegression(max_iter=ROUNDS), KNeighborsClassifier(self.neighbours)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(train, y)
        if regression.n_iter_.max() >= ROUNDS:
            findings.notes.append(f"The logistic regression on the {name} did not converge in {ROUNDS} iterations.")
        probes = {"logistic": regression, "neighbours": neighbours.fit(train, y)}
        answers = {key: probe.predict(test) for key, probe in probes.items()}
        findings.notes += note_constant(answers["logistic"], rows.test.y, rows.labels, f"test rows, by the {name},")
        return {key: proportion(int((answer == rows.test.y).sum()), len(test)) for key, answer in answers.items()}

    def _draw_codes(self, codes: np.ndarray, rows: Rows, rng: np.random.Generator, findings: Findings) -> Figure:
        """Return a figure of the test codes in two dimensions, with a curve per class."""
        classes = np.sort(np.argsort(-np.bincount(rows.test.y), kind="stable")[:MOST_CLASSES])
        classes = classes[np.isin(classes, rows.test.y)]
        if len(classes) < len(np.unique(rows.test.y)):
            findings.notes.append(f"The figure shows the {MOST_CLASSES} most common classes.")
        chosen = np.flatnonzero(np.isin(rows.test.y, classes))
        chosen = np.sort(rng.permutation(chosen)[: self.points])
        x, y = _project(codes.reshape(len(codes), -1), chosen, self.picture, rng).T
        label = rows.test.y[chosen]
        curves = [
            Curve(rows.labels[index], x[label == index].round(4).tolist(), y[label == index].round(4).tolist())
            for index in classes
            if (label == index).any()
        ]
        axes = ("first component", "second component") if self.picture == "pca" else ("t-SNE 1", "t-SNE 2")
        return Figure("The code in two dimensions", *axes, curves, points=True)


def _project(codes: np.ndarray, chosen: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """Project the chosen codes to two dimensions, shape (chosen, 2); principal components are fitted to all codes."""
    seed = int(rng.integers(2**31))
    if how == "tsne" and codes.shape[1] > 1:
        from sklearn.manifold import TSNE

        near = min(30.0, (len(chosen) - 1) / 3)
        return np.asarray(TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(codes[chosen]))
    from sklearn.decomposition import PCA

    components = min(2, *codes.shape)
    flat = PCA(components, random_state=seed).fit(codes.astype(np.float64)).transform(codes[chosen].astype(np.float64))
    return np.pad(flat, ((0, 0), (0, 2 - components)))
