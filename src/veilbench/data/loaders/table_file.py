"""A table in a CSV, TSV or Parquet file."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.data.loaders.files import existing
from veilbench.data.loaders.table_columns import coded, coded_labels, without_missing
from veilbench.data.raw import Raw
from veilbench.errors import UserError
from veilbench.limits import Count

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}


class TableFile:
    """A table with a name for each column; text in UTF-8, plain or gzipped, or Parquet.

    Numbers stay as they are, true and false become 1 and 0, a text column becomes one column of 0 and 1 for each of its
    values. Empty cells and the words that pandas takes for them (NA, NaN, null, None, ...) are missing values.

    Args:
        path: the file; its kind is seen from its name: .csv, .tsv, .csv.gz, .tsv.gz or .parquet.
        label: the column that holds the classes; None: there are none, and all columns are features.
        missing: what becomes of missing values. `error` refuses them. `drop` leaves out their rows. `median` puts the
            column's median over all rows in their place, which lets the training part know a little of the later ones,
            and none of a text column's values. Rows are never kept without a label. All of it is in the notes.
        one_hot_most: a text column with more values than this is refused.
    """

    def __init__(
        self,
        path: str,
        label: str | None = None,
        missing: Literal["error", "drop", "median"] = "error",
        one_hot_most: Annotated[Count, Ge(2)] = 20,
    ) -> None:
        self.path, self.label, self.missing, self.one_hot_most = path, label, missing, one_hot_most

    def read(self, rng: np.random.Generator) -> Raw:
        """The whole table.

        Raises:
            UserError: the file is missing, damaged or ragged, or a column cannot be made into numbers.
        """
        frame = self._frame(existing(self.path, "the table"))
        if self.label is not None and self.label not in frame.columns:
            raise UserError(f"{self.path} has no column {self.label}; there are: {', '.join(frame.columns)}")
        if len(frame.columns) < 2 or not len(frame):
            size = f"{len(frame):,} rows and {len(frame.columns)} columns: {', '.join(frame.columns)[:80]}"
            raise UserError(f"{self.path} has {size}; at least one row and two columns are needed")
        notes: list[str] = []
        frame = without_missing(frame, self.label, self.missing, self.path, notes)
        y, labels = np.zeros(len(frame), np.int64), ["all"]
        if self.label is not None:
            y, labels = coded_labels(frame.pop(self.label), f"{self.path}: column {self.label}")
        x, features = coded(frame, self.one_hot_most, self.path, notes)
        return Raw(x, y, features, labels, notes)

    def _frame(self, path: Path) -> pd.DataFrame:
        import pandas as pd

        name = path.name.lower()
        separator = next((mark for end, mark in SEPARATORS.items() if name.endswith(end)), None)
        if separator is None and not name.endswith(".parquet"):
            raise UserError(f"{path}: the name must end in {', '.join(SEPARATORS)} or .parquet")
        try:
            if separator is None:
                frame = pd.read_parquet(path).reset_index(drop=True)
            else:
                _refuse_ragged(path, separator)
                frame = pd.read_csv(path, sep=separator, index_col=False, low_memory=False, encoding="utf-8")
        except (OSError, EOFError, ValueError, csv.Error) as error:  # pandas' and pyarrow's errors are ValueErrors
            raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
        frame.columns = [str(column) for column in frame.columns]
        return frame


def _refuse_ragged(path: Path, separator: str) -> None:
    """Refuse what pandas would read without a word: short lines, columns without a name of their own, no header."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=separator)
        header = next(lines, [])
        _refuse_header(path, header)
        for line in lines:
            if line and len(line) != len(header):
                raise UserError(f"{path}: line {lines.line_num} has {len(line)} cells; the header has {len(header)}")


def _refuse_header(path: Path, header: list[str]) -> None:
    if not header:
        raise UserError(f"{path} is empty; a first line with the names of the columns is needed")
    if "" in header:
        raise UserError(
            f"{path}: column {header.index('') + 1} has no name; a saved row number? Name it or take it out"
        )
    if twice := [name for name in header if header.count(name) > 1]:
        raise UserError(f"{path} has {header.count(twice[0])} columns called {twice[0]}; one is allowed")
    if all(map(_is_number, header)):
        raise UserError(f"{path} begins with numbers; a first line with the names of the columns is needed")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
