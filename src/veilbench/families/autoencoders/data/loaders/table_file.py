"""A table in a CSV, TSV or Parquet file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.bench.labels import EXACT
from veilbench.bench.limits import Count
from veilbench.families.autoencoders.data.loaders.csv_lines import (
    open_text,
    read_header,
    refuse_duplicates,
    refuse_ragged,
)
from veilbench.families.autoencoders.data.loaders.files import require_file
from veilbench.families.autoencoders.data.loaders.table_cells import Cells
from veilbench.families.autoencoders.data.loaders.table_columns import encode_columns, encode_labels, handle_missing
from veilbench.families.autoencoders.data.raw import Raw
from veilbench.families.autoencoders.data.table_format import TableFormat

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}


class TableFile:
    """Reads a table with named columns; text in UTF-8, plain or gzipped, or Parquet.

    Numbers stay unchanged, true and false become 1 and 0, and a text column becomes one column of 0 and 1 for each of
    its values. Empty cells and the words that pandas treats as such (NA, NaN, null, None, ...) are missing values.
    Blanks around names and texts are removed. A column that mixes numbers and texts is rejected; the error names a
    cell.

    Args:
        path: path of the file, with the suffix .csv, .tsv, .csv.gz, .tsv.gz or .parquet.
        label: column of the classes; None means that there are none, and all columns are features.
        missing: treatment of missing values. `error` rejects them. `drop` leaves out their rows. `median` fills numbers
            with the column's median over all rows, which reveals a little of the other parts to the training part, and
            leaves a text without a category. Rows without a label are never kept. The notes report what was done.
        one_hot_most: maximum number of values of a text column; more are rejected.
        missing_words: additional words that stand for a missing value, such as `n.a.`.
        texts: columns that hold texts although some or all of their cells look like numbers, such as codes.
        separator: separator of cells; None is a comma in .csv and a tab in .tsv.
        decimal: decimal separator, "." or ",".
    """

    def __init__(
        self,
        path: str,
        label: str | None = None,
        missing: Literal["error", "drop", "median"] = "error",
        one_hot_most: Annotated[Count, Ge(2)] = 20,
        missing_words: Sequence[str] = (),
        texts: Sequence[str] = (),
        separator: str | None = None,
        decimal: Literal[".", ","] = ".",
    ) -> None:
        if separator is not None and (len(separator) != 1 or separator in (decimal, '"', "\n", "\r")):
            raise ValueError(f"separator={separator!r} must be one character, and neither a quote nor {decimal!r}")
        self.path, self.missing, self.one_hot_most = path, missing, one_hot_most
        self.label = None if label is None else label.strip()
        self.missing_words, self.texts = list(missing_words), [name.strip() for name in texts]
        self.separator, self.decimal = separator, decimal

    def read(self, rng: np.random.Generator) -> Raw:
        """Read the whole table.

        Raises:
            UserError: the file is missing, damaged or ragged, or a column cannot be converted to numbers.
        """
        notes: list[str] = []
        frame = handle_missing(self.read_frame(notes), self.label, self.missing, self.path, notes)
        y, labels = np.zeros(len(frame), np.int64), ["all"]
        if self.label is not None:
            y, labels = encode_labels(frame.pop(self.label), f"{self.path}: column {self.label}", notes)
        x, features, texts = encode_columns(frame, self.one_hot_most, self.path, notes)
        return Raw(x, y, features, labels, notes, self._describe(frame, texts))

    def _describe(self, frame: pd.DataFrame, texts: dict[str, list[str]]) -> TableFormat:
        numbers = [name for name in frame if name not in texts]
        medians = {str(name): float(frame[name].median()) for name in numbers} if self.missing == "median" else None
        return TableFormat(texts, medians, self.label, self.missing_words, self.separator, self.decimal)

    def read_frame(self, notes: list[str], fewest: int = 2) -> pd.DataFrame:
        """Read the cells of all columns: numbers, and texts without blanks around them.

        Args:
            notes: notes to extend by what was changed.
            fewest: smallest number of columns; a file with fewer has another separator than expected.

        Raises:
            UserError: the file is missing, damaged or ragged, or a column mixes numbers and texts.
        """
        path = require_file(self.path, "the table")
        frame = self._read_frame(path)
        for name in [*([] if self.label is None else [self.label]), *self.texts]:
            if name not in frame.columns:
                raise UserError(f"{self.path} has no column {name}; there are: {', '.join(frame.columns)}")
        if len(frame.columns) < fewest or not len(frame):
            needed = "two columns" if fewest > 1 else "one column"
            size = f"{len(frame):,} rows and {len(frame.columns)} columns: {', '.join(frame.columns)[:80]}"
            raise UserError(
                f"{self.path} has {size}; at least one row and {needed} are needed, and data.source.separator, "
                "where that is not what the file's name says"
            )
        cells = Cells(self.path, self.locate, self.missing_words, self.texts, self.decimal)
        self._refuse_rounded(path, frame, cells)
        return cells.clean(frame, notes)

    def _find_separator(self, path: Path) -> str | None:
        """Return the separator of cells in a text file; None for Parquet."""
        name = path.name.lower()
        if name.endswith(".parquet"):
            return None
        usual = next((mark for end, mark in SEPARATORS.items() if name.endswith(end)), None)
        if usual is None:
            raise UserError(f"{path}: the name must end in {', '.join(SEPARATORS)} or .parquet")
        return self.separator or usual

    def _read_frame(self, path: Path) -> pd.DataFrame:
        import pandas as pd

        separator = self._find_separator(path)
        try:
            if separator is None:
                frame = pd.read_parquet(path).reset_index(drop=True)
            else:
                refuse_ragged(path, separator)
                frame = self._read_csv(path, separator)
        except (OSError, EOFError, ValueError, csv.Error) as error:  # pandas' and pyarrow's errors are ValueErrors
            raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
        frame.columns = [str(column).strip() for column in frame.columns]
        refuse_duplicates(path, list(frame.columns))
        return frame.astype({name: "str" for name in self.texts if separator is None and name in frame.columns})

    def _read_csv(self, path: Path, separator: str, **more: Any) -> pd.DataFrame:
        import pandas as pd

        header = read_header(path, separator)
        more = {"dtype": {name: str for name in header if name.strip() in self.texts}, **more}
        return pd.read_csv(
            path,
            sep=separator,
            index_col=False,
            low_memory=False,
            encoding="utf-8",
            decimal=self.decimal,
            **more,
        )

    def _refuse_rounded(self, path: Path, frame: pd.DataFrame, cells: Cells) -> None:
        """Reject whole numbers that were rounded when their column became float64."""
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        numeric = (i for i, kind in enumerate(frame.dtypes) if is_numeric_dtype(kind) and not is_bool_dtype(kind))
        large = [i for i in numeric if (frame.iloc[:, i].abs() >= EXACT).any()]
        separator = self._find_separator(path)
        if large and separator is not None:
            again = self._read_csv(path, separator, usecols=large, dtype=str)
            again.columns = frame.columns[large]
        else:
            again = frame.iloc[:, large].astype("str")
        for name in again:
            for row in np.flatnonzero((frame[name].abs() >= EXACT).to_numpy(bool, na_value=False)):
                cells.refuse_rounded(name, int(row), str(again[name].iloc[row]).strip())

    def locate(self, row: int) -> str:
        """Return the place of a row in the file, such as "line 52", given its index from 0."""
        path = Path(self.path)
        separator = self._find_separator(path)
        if separator is None:
            return f"row {row}"
        with open_text(path) as file:
            lines = csv.reader(file, delimiter=separator)
            next(islice((line for line in lines if line), row + 1, None))  # the header is the first
            return f"line {lines.line_num}"
