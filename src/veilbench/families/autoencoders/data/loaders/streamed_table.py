"""A Parquet table that is read in batches and never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.loaders.files import require_file
from veilbench.families.autoencoders.data.loaders.known_columns import KnownColumns
from veilbench.families.autoencoders.data.loaders.table_cells import Cells
from veilbench.families.autoencoders.data.loaders.table_columns import (
    encode_columns,
    encode_labels,
    is_numeric,
    note_left_out,
    refuse_many,
)
from veilbench.families.autoencoders.data.raw import check_values
from veilbench.families.autoencoders.data.table_format import TableFormat

if TYPE_CHECKING:
    import pandas as pd

    from veilbench.families.autoencoders.data.loaders.table_file import TableFile

Values = dict[str, dict[Any, None]]  # the different values of each column, in the order of their first appearance


class StreamedTable:
    """Rows of a Parquet file as `TableFile.read` returns them, in batches; each pass reads the file again.

    The constructor reads all rows once, for the values of text columns and the labels.

    Attributes:
        rows: number of rows, without those that are left out.
        features, labels, notes, table: as those of `Raw`.

    Args:
        file: file and settings; `missing` is not "median", which needs all rows at once.

    Raises:
        UserError: the file is no Parquet file, or a column cannot be converted to numbers.
    """

    def __init__(self, file: TableFile) -> None:
        if file.missing == "median":
            raise UserError(
                "data.source.missing=median needs all rows at once; with data.streamed=true, error and drop are allowed"
            )
        self.notes: list[str] = []
        self.rows = 0
        self.file = self._name_texts(file)
        values, sample = self._look_at_rows(file.missing)
        self._refuse_numbers(values, file.texts)
        self.labels, self._classes = ["all"], dict[Any, int]()
        if file.label is not None:
            self._number_labels(list(values.pop(file.label)), f"{file.path}: column {file.label}")
        self.features, self.table = self._encode(sample.drop(columns=file.label or []), values)

    def read_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read and encode the rows in batches of n rows.

        Yields:
            The rows, shape (n, features), float64, and the label of each as an index into `labels`, shape (n,), int64.

        Raises:
            UserError: a value is not finite in float32, or a whole number that float64 cannot hold.
        """
        kept = 0
        for first, whole in self.file.read_batches():
            frame = whole[~whole.isna().any(axis=1)]
            if not len(frame):
                continue
            numbers = first + frame.index.to_numpy()
            y = np.zeros(len(frame), np.int64)
            if self.file.label is not None:
                y = frame[self.file.label].astype(object).map(self._classes).to_numpy(np.int64)
            place = lambda row, numbers=numbers: self.file.locate(int(numbers[row]))  # noqa: E731
            x = KnownColumns(self.features, self.table, self.file.path, place).encode(frame)
            yield check_values(x, self.features, kept), y
            kept += len(y)

    def _name_texts(self, file: TableFile) -> TableFile:
        """Return the file with all its columns of texts as `texts`, so that all batches are read alike."""
        import pyarrow.parquet as pq

        path = require_file(file.path, "the table")
        file.require_parquet(path)
        with file.reading(path):
            schema = pq.read_schema(path)
        kinds = {name.strip(): kind for name, kind in zip(schema.names, schema.types, strict=True)}
        if strange := [name for name in file.texts if name in kinds and not _is_text(kinds[name])]:
            raise UserError(
                f"data.source.texts={strange[0]}: {path} holds {kinds[strange[0]]} in this column; with "
                "data.streamed=true, texts must be stored as texts"
            )
        named = copy(file)
        named.texts = [
            *file.texts,
            *(name for name, kind in kinds.items() if _is_text(kind) and name not in file.texts),
        ]
        return named

    def _look_at_rows(self, how: Any) -> tuple[Values, pd.DataFrame]:
        """Return the values of text columns and of the labels, and the first row; count rows and missing values."""
        file, values, sample, missing = self.file, Values(), None, np.zeros(3, int)
        first_missing = ""
        for _, frame in file.read_batches():
            sample = frame.iloc[:1] if sample is None else sample
            empty = frame.isna()
            gone = empty.any(axis=1)
            missing += [int(empty.to_numpy().sum()), int(gone.sum()), len(frame)]
            first_missing = first_missing or (str(empty.any().idxmax()) if gone.any() else "")
            for name in {*file.texts, *([] if file.label is None else [file.label])} & {*frame.columns}:
                found = values.setdefault(name, {})
                found |= dict.fromkeys(frame.loc[~gone, name].unique().tolist())
                if name != file.label:
                    refuse_many(list(found), file.one_hot_most, f"{file.path}: column {name}")
        cells, rows, of = missing.tolist()
        if cells:
            said = f"{cells:,} values are missing, in {rows:,} of {of:,} rows"
            note_left_out(said, rows < of, first_missing, how, file.path, self.notes)
        self.rows = of - rows
        assert sample is not None  # a file without rows is refused before
        return values, sample

    def _refuse_numbers(self, values: Values, texts: list[str]) -> None:
        """Reject columns of texts that are all numbers, which a table in memory would read as numbers."""
        import pandas as pd

        cells = Cells(self.file.path, lambda row: "in one row", self.file.missing_words, texts, self.file.decimal)
        for name in sorted({*values} & {*self.file.texts}):
            cleaned = cells.clean(pd.DataFrame({name: pd.Series(list(values[name]), dtype=object)}), [])
            if is_numeric(cleaned[name]):
                raise UserError(
                    f"{self.file.path}: column {name} holds texts that are all numbers, such as "
                    f"{next(iter(values[name]))!r}; with data.streamed=true, store them as numbers, or name {name} in "
                    "data.source.texts"
                )

    def _number_labels(self, values: list[Any], where: str) -> None:
        import pandas as pd

        y, self.labels = encode_labels(pd.Series(values), where, self.notes)
        self._classes = dict(zip(values, y.tolist(), strict=True))

    def _encode(self, sample: pd.DataFrame, values: Values) -> tuple[list[str], TableFormat]:
        """Return features and format of the table, from rows that hold every value of every text column."""
        import pandas as pd

        rows = max(map(len, values.values()), default=1)
        columns = {
            name: list(islice(cycle(values[name]), rows)) if name in values else sample[name].repeat(rows).to_numpy()
            for name in sample
        }
        _, features, texts = encode_columns(pd.DataFrame(columns), self.file.one_hot_most, self.file.path, self.notes)
        file = self.file
        return features, TableFormat(texts, None, file.label, file.missing_words, file.separator, file.decimal)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
