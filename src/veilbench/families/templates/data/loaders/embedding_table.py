"""Embeddings and identities from a .npz, CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError, list_known
from veilbench.bench.labels import encode_classes, note_similar_names
from veilbench.families.templates.data.loaders.identity_npz import number_impressions
from veilbench.families.templates.data.raw_identities import RawIdentities

SUFFIXES = (".npz", ".csv", ".parquet")


class EmbeddingTable:
    """Reads one embedding per row, with the identity that it belongs to; pickled objects are not loaded.

    Args:
        path: path of a .npz, .csv or .parquet file; CSV files have a header with the columns' names.
        identities: name of the column or array of identities, shape (n,), numbers or words.
        embeddings: name of the array of a .npz file, shape (n, d), or of a Parquet column of lists; None reads the
            array `embeddings`, or every column of a table that is not named otherwise, in the order of the file.
        attributes: names of the columns or arrays of labels, such as sex or age group, shape (n,).
    """

    def __init__(
        self, path: str, identities: str = "identity", embeddings: str | None = None, attributes: Sequence[str] = ()
    ) -> None:
        if Path(path).suffix.lower() not in SUFFIXES:
            raise ValueError(f"path={path} must end in {', '.join(SUFFIXES)}")
        self.path, self.identities, self.embeddings, self.attributes = path, identities, embeddings, list(attributes)

    def read(self) -> RawIdentities:
        """Read all embeddings.

        Raises:
            UserError: the file or a column is missing, or a column holds what it should not.
        """
        columns, notes = read_columns(self.path), list[str]()
        identities, names = self._labels(columns, self.identities, notes)
        notes += note_similar_names(names, "the identities")
        encoded = {name: self._labels(columns, name, notes) for name in self.attributes}
        rows = self._embeddings(columns)
        notes.append(f"read {len(rows):,} embeddings of {rows.shape[1]} numbers, of {len(names):,} identities")
        attributes = {name: labels for name, (labels, _) in encoded.items()}
        words = {name: list(known) for name, (_, known) in encoded.items()}
        return RawIdentities(rows, identities, number_impressions(identities), attributes, words, notes)

    def _column(self, columns: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        if name not in columns:
            raise UserError(f"{self.path} holds no column {name}{list_known(name, columns)}")
        return columns[name]

    def _labels(self, columns: Mapping[str, np.ndarray], name: str, notes: list[str]) -> tuple[np.ndarray, list[str]]:
        column = self._column(columns, name)
        if column.dtype == object:
            if missing := [row for row, value in enumerate(column) if not isinstance(value, str)]:
                raise UserError(f"{self.path}: {name} holds no text in row {missing[0]} but {column[missing[0]]!r:.40}")
            column = column.astype(str)
        return encode_classes(column, f"{self.path}: {name}", notes)

    def _embeddings(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        if Path(self.path).suffix.lower() == ".npz" or self.embeddings:
            rows = self._column(columns, self.embeddings or "embeddings")
            return self._to_float32(_stack_lists(rows), self.embeddings or "embeddings")
        numeric = {name: column for name, column in columns.items() if name not in (self.identities, *self.attributes)}
        if not numeric:
            raise UserError(f"{self.path} holds no columns of embeddings beside {', '.join(columns)}")
        return np.stack([self._to_float32(column, name) for name, column in numeric.items()], 1)

    def _to_float32(self, values: np.ndarray, name: str) -> np.ndarray:
        if values.dtype.kind not in "fiu":
            raise UserError(f"{self.path}: {name} is of type {values.dtype}, and embeddings are numbers")
        with np.errstate(over="ignore"):  # infinite values are refused later, with their row
            return values.astype(np.float32)


def read_columns(path: str) -> dict[str, np.ndarray]:
    """Read the arrays of a .npz file, or the columns of a CSV or Parquet file, by their names.

    Raises:
        UserError: the file is missing or damaged.
    """
    if not Path(path).is_file():
        raise UserError(f"no file {path}")
    try:
        if Path(path).suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        import pandas

        table: Any = pandas.read_csv(path) if path.lower().endswith(".csv") else pandas.read_parquet(path)
        return {str(name): np.asarray(_plain(table[name])) for name in table.columns}
    except Exception as error:  # numpy, zipfile, pandas and pyarrow raise errors of their own on a damaged file
        raise UserError(f"{path} cannot be read: {error}") from error


def _plain(column: Any) -> Any:
    """Return a column of a data frame as numbers, or as Python objects if it holds texts or lists."""
    return column.to_numpy() if column.dtype.kind in "fiub" else column.to_numpy(dtype=object)


def _stack_lists(rows: np.ndarray) -> np.ndarray:
    """Return a column of lists of one length as a matrix; other arrays are returned unchanged."""
    if rows.dtype != object:
        return rows
    lengths = {len(row) if isinstance(row, list | np.ndarray) else 0 for row in rows}
    return np.stack([np.asarray(row) for row in rows]) if len(lengths) == 1 and min(lengths) else rows
