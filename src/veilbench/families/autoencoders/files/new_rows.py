"""Rows of a new table in the form in which a model was trained on rows of another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.loaders.known_columns import KnownColumns
from veilbench.families.autoencoders.data.loaders.table_file import TableFile
from veilbench.families.autoencoders.data.raw import check_values
from veilbench.families.autoencoders.data.row_format import RowFormat

if TYPE_CHECKING:
    import pandas as pd


def read_rows(path: Path, form: RowFormat) -> Iterator[np.ndarray]:
    """Read a table, encode its columns and scale them as `RowsData.prepare` did.

    Args:
        path: .csv, .tsv or .parquet file; text may be gzipped.
        form: format of the training rows.

    Yields:
        All rows of a text file, or the next of a Parquet file, shape (n, features), float32.

    Raises:
        UserError: the model takes images, or the file does not have the columns and values that the model needs.
    """
    if not form.features:
        raise UserError(f"{path}: the model takes rows of shape {form.shape} without names of columns, and no tables")
    table = form.table
    file = TableFile(
        str(path), None, "error", missing_words=table.missing_words, texts=list(table.texts),
        separator=table.separator, decimal="," if table.decimal == "," else ".",
    )  # fmt: skip
    if path.name.lower().endswith(".parquet"):
        for first, frame in file.read_batches(fewest=1):
            yield _encode(frame, first, file, form)
    else:
        yield _encode(file.read_frame([], fewest=1), 0, file, form)


def _encode(frame: pd.DataFrame, first: int, file: TableFile, form: RowFormat) -> np.ndarray:
    """Encode and scale rows, of which `first` is the number of the first one in the file."""
    x = KnownColumns(form.features, form.table, file.path, lambda row: file.locate(first + row)).encode(frame)
    try:
        x = check_values(x.astype(form.precision), form.features, first)
    except UserError as error:
        raise UserError(f"{file.path}: {error}") from error
    rows = form.scaling.apply(x)
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise UserError(
            f"{file.path}, {file.locate(first + int(row))}: column {form.features[column]}, scaled, is too large for "
            "float32"
        )
    return rows
