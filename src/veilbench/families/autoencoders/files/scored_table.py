"""Anomaly scores of the rows of a table, with the features that contribute most, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from veilbench.bench.beside import write_whole_file
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.data.row_format import load_row_format
from veilbench.families.autoencoders.files.new_rows import read_rows
from veilbench.families.autoencoders.schemes.base import Detector


@dataclass(frozen=True)
class ScoredTable:
    """Rows of a table with their scores.

    Attributes:
        scores: score of each row, shape (n,), float64; higher is more anomalous.
        features: names of the features that contribute most to each row's score, shape (n, top), most first.
        shares: share of each of them in the score, shape (n, top).
        note: reason why no features are named; empty if they are.
    """

    scores: np.ndarray
    features: np.ndarray
    shares: np.ndarray
    note: str = ""

    def rank(self) -> np.ndarray:
        """Return the rank of each row, shape (n,): 1 for the highest score; equal scores have equal ranks."""
        return 1 + len(self.scores) - np.searchsorted(np.sort(self.scores), self.scores, side="right")

    def to_csv(self) -> str:
        """Return the rows as CSV with a header, in the order of the table."""
        text = io.StringIO()
        self._write_lines(text)
        return text.getvalue()

    def _write_lines(self, file: TextIO) -> None:
        csv.writer(file, lineterminator="\n").writerows(self._lines())

    def _lines(self) -> Iterator[list[str]]:
        top = range(1, self.features.shape[1] + 1)
        yield ["row", "score", "rank", *(name for i in top for name in (f"feature_{i}", f"share_{i}"))]
        columns = zip(self.scores, self.rank(), self.features, self.shares, strict=True)
        for row, (score, rank, features, shares) in enumerate(columns, start=1):
            parts = (cell for name, share in zip(features, shares, strict=True) for cell in (name, f"{share:.4g}"))
            yield [str(row), repr(float(score)), str(rank), *parts]

    def write(self, path: Path, table: Path) -> None:
        """Write the CSV to a file, completely or not at all.

        Args:
            path: file to write; an existing one is replaced.
            table: the table that was scored, which must not be replaced.

        Raises:
            UserError: the file cannot be written, or is the table.
        """
        if path.exists() and path.samefile(table):
            raise UserError(f"{path} is the table itself; write to another file")
        if path.exists() and not path.is_file():
            raise UserError(f"cannot write {path}: it is not a regular file")
        try:
            with write_whole_file(path) as partial, partial.open("w", encoding="utf8", newline="") as file:
                self._write_lines(file)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error


def score_table(model: Path, table: Path, top: int) -> ScoredTable:
    """Score the rows of a table.

    Args:
        model: folder of a trained detector.
        table: .csv, .tsv or .parquet file with the columns of the training data.
        top: number of features to name for each row, 0 or more.

    Raises:
        UserError: the folder holds no detector, the table does not fit it, or a score is not finite.
    """
    detector = load_trained_model(model)
    if not isinstance(detector, Detector):
        raise UserError(f"{model} holds a {type(detector).__name__}, which scores no rows; a detector is needed")
    form = load_row_format(model)
    names = np.array(form.features, dtype=object)
    parts = [_score_rows(detector, rows, names, top) for rows in read_rows(table, form)]
    scores, features, shares = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "features", "shares")
    )
    if not np.isfinite(scores).all():
        row = int(np.argmin(np.isfinite(scores)))
        raise UserError(f"{table}: the score of row {row + 1} is {scores[row]}, a finite number is needed")
    return ScoredTable(scores, features, shares, parts[0].note)


def _score_rows(detector: Detector, rows: np.ndarray, names: np.ndarray, top: int) -> ScoredTable:
    scores = np.asarray(detector.score(rows), np.float64)
    none = np.zeros((len(rows), 0))
    try:
        parts = np.asarray(detector.feature_scores(rows)) if top else none
    except NotImplementedError as error:
        return ScoredTable(scores, none, none, f"no features are named: {error}")
    return ScoredTable(scores, *_find_top(parts, names, top))


def _find_top(parts: np.ndarray, names: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return names and shares of the largest contributions, each of shape (n, top)."""
    if not parts.shape[1]:
        return parts, parts
    whole = parts.sum(1, keepdims=True, dtype=np.float64)
    order = np.argsort(-parts, axis=1, kind="stable")[:, :top]
    return names[order], np.take_along_axis(parts, order, 1) / np.where(whole, whole, 1)
