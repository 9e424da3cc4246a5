"""A table in a CSV, TSV or Parquet file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

AT_ONCE = 16_384  # rows of a batch
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
        self._check_columns(list(frame.columns), len(frame), fewest)
        return self._clean(path, frame, notes)

    def read_batches(self, fewest: int = 2) -> Iterator[tuple[int, pd.DataFrame]]:
        """Read a Parquet file as `read_frame` does, in batches of `AT_ONCE` rows.

        A column of texts that are all numbers is a column of numbers; that is decided for each batch by itself, unless
        `texts` names the column.

        Args:
            fewest: smallest number of columns.

        Yields:
            The number of the first row of a batch, from 0, and its cells.

        Raises:
            UserError: the file is missing, damaged or no Parquet file, or a column mixes numbers and texts.
        """
        import pyarrow.parquet as pq

        path = require_file(self.path, "the table")
        self.require_parquet(path)
        with self.reading(path):
            file = pq.ParquetFile(path, memory_map=True)
        with file:
            self._check_columns(self._name_columns(path, file.schema_arrow.names), file.metadata.num_rows, fewest)
            batches, first = file.iter_batches(AT_ONCE), 0
            while True:
                with self.reading(path):
                    batch = next(batches, None)
                    frame = None if batch is None else batch.to_pandas().reset_index(drop=True)
                if frame is None:
                    return
                frame.columns = self._name_columns(path, list(frame.columns))
                yield first, self._clean(path, self._as_texts(frame), [], first)
                first += len(frame)

    def require_parquet(self, path: Path) -> None:
        """Refuse files that cannot be read in batches.

        Raises:
            UserError: the file is no Parquet file.
        """
        if self._find_separator(path) is not None:
            raise UserError(f"{path} cannot be read in batches (data.streamed=true): a .parquet file is needed")

    def _check_columns(self, names: list[str], rows: int, fewest: int) -> None:
        for name in [*([] if self.label is None else [self.label]), *self.texts]:
            if name not in names:
                raise UserError(f"{self.path} has no column {name}; there are: {', '.join(names)}")
        if len(names) < fewest or not rows:
            needed = "two columns" if fewest > 1 else "one column"
            size = f"{rows:,} rows and {len(names)} columns: {', '.join(names)[:80]}"
            raise UserError(
                f"{self.path} has {size}; at least one row and {needed} are needed, and data.source.separator, "
                "where that is not what the file's name says"
            )

    def _clean(self, path: Path, frame: pd.DataFrame, notes: list[str], first: int = 0) -> pd.DataFrame:
        """Convert the cells of rows to numbers and texts; `first` is the number of the first row in the file."""
        place = lambda row: self.locate(first + row)  # noqa: E731
        cells = Cells(self.path, place, self.missing_words, self.texts, self.decimal)
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
        with self.reading(path):
            if separator is None:
                frame = pd.read_parquet(path).reset_index(drop=True)
            else:
                refuse_ragged(path, separator)
                frame = self._read_csv(path, separator)
        frame.columns = self._name_columns(path, list(frame.columns))
        return self._as_texts(frame) if separator is None else frame

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Turn errors of the libraries that read files into one line."""
        try:
            yield
        except (OSError, EOFError, ValueError, csv.Error) as error:  # pandas' and pyarrow's errors are ValueErrors
            raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error

    def _name_columns(self, path: Path, columns: list[object]) -> list[str]:
        names = [str(column).strip() for column in columns]
        refuse_duplicates(path, names)
        return names

    def _as_texts(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.astype({name: "str" for name in self.texts if name in frame.columns})

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
