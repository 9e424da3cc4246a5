"""Explanation of anomalies: the features, or image regions, that contribute most to their scores."""

from __future__ import annotations

import numpy as np

from veilbench.bench.findings import Findings, Metric, Picture, Table
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.applicability import has_images
from veilbench.families.autoencoders.schemes.base import Detector
from veilbench.metrics.grids import picture

FEATURES, IMAGES = 3, 8


def explain(model: Detector, rows: Rows, chosen: np.ndarray, scores: np.ndarray, findings: Findings) -> None:
    """Add a table of the most anomalous features, or a picture for images; a note if the score has no parts.

    Args:
        model: detector that scored the rows.
        rows: data that the rows are from.
        chosen: indices of test rows to explain, shape (k,).
        scores: scores of all test rows, shape (n,).
        findings: findings to extend.
    """
    if not len(chosen):
        return
    try:
        parts = np.asarray(model.feature_scores(rows.test.x[chosen]))
    except NotImplementedError as error:
        findings.notes.append(f"No features are named: {error}.")
        return
    if has_images(rows):
        findings.pictures.append(_places(rows.test.x[chosen[:IMAGES]], parts[:IMAGES]))
    elif rows.features:
        lines = [_line(int(one), scores, part, rows) for one, part in zip(chosen, parts, strict=True)]
        headings = ["test row", "score", *(f"oddest feature {i + 1}" for i in range(len(lines[0]) - 2))]
        findings.tables.append(Table("Which features made it odd", headings, lines))


def _places(images: np.ndarray, parts: np.ndarray) -> Picture:
    """Show images above their parts of the score, relative to each image's largest part."""
    shown = np.maximum(parts, 0)
    shown = shown / np.maximum(shown.max((1, 2, 3), keepdims=True), 1e-12)
    return picture("What made them odd", [("detected anomaly", images), ("share in its score", shown)])


def _line(row: int, scores: np.ndarray, part: np.ndarray, rows: Rows) -> list[str | float | Metric | None]:
    value, whole = rows.test.x[row], float(part.sum()) or 1.0
    oddest = np.argsort(-part, kind="stable")[:FEATURES]
    named = [f"{rows.features[i]} = {value[i]:.3g} ({part[i] / whole:.0%})" for i in oddest]
    return [str(row), float(scores[row]), *named]
