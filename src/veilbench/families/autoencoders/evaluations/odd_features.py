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
    """Add a table of the most anomalous features, or a picture for images; a note if the score is no sum of features.

    Args:
        model: detector that scored the rows.
        rows: data that the rows are from.
        chosen: indices of test rows to explain, shape (k,).
        scores: scores of all test rows, shape (n,).
        findings: findings that the table is added to.
    """
    if not len(chosen):
        return
    try:
        parts = np.asarray(model.feature_scores(rows.test.x[chosen]))
    except NotImplementedError as error:
        findings.notes.append(f"No features are named: {error}.")
        return
    if has_images(rows):
        findings.pictures.append(_draw_regions(rows.test.x[chosen[:IMAGES]], parts[:IMAGES]))
    elif rows.features:
        lines = [_describe_row(int(row), scores, part, rows) for row, part in zip(chosen, parts, strict=True)]
        headings = ["test row", "score", *(f"feature {i + 1}" for i in range(len(lines[0]) - 2))]
        findings.tables.append(Table("Most anomalous features", headings, lines))


def _draw_regions(images: np.ndarray, parts: np.ndarray) -> Picture:
    """Draw images above the contributions of their pixels to the score, relative to each image's largest one."""
    shown = np.maximum(parts, 0)
    shown = shown / np.maximum(shown.max((1, 2, 3), keepdims=True), 1e-12)
    return picture("Most anomalous regions", [("detected anomaly", images), ("share of its score", shown)])


def _describe_row(row: int, scores: np.ndarray, part: np.ndarray, rows: Rows) -> list[str | float | Metric | None]:
    value, whole = rows.test.x[row], float(part.sum()) or 1.0
    oddest = np.argsort(-part, kind="stable")[:FEATURES]
    features = [f"{rows.features[i]} = {value[i]:.3g} ({part[i] / whole:.0%})" for i in oddest]
    return [str(row), float(scores[row]), *features]
