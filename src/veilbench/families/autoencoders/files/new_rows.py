"""Rows of a new table in the form in which a model was trained on rows of another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.loaders.known_columns import KnownColumns
from veilbench.families.autoencoders.data.loaders.table_file import TableFile
from veilbench.families.autoencoders.data.raw import Raw, check_raw
from veilbench.families.autoencoders.data.row_format import RowFormat


def read_rows(path: Path, form: RowFormat) -> np.ndarray:
    """Read a table, encode its columns and scale them as `RowsData.prepare` did, shape (n, features), float32.

    Args:
        path: .csv, .tsv or .parquet file; text may be gzipped.
        form: format of the training rows.

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
    frame = file.read_frame([], fewest=1)
    x = KnownColumns(form.features, table, str(path), file.locate).encode(frame)
    try:
        raw = check_raw(Raw(x.astype(form.precision), np.zeros(len(x), np.int64), form.features, ["all"]))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    rows = form.scaling.apply(raw.x)
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise UserError(
            f"{path}, {file.locate(int(row))}: column {form.features[column]}, scaled, is too large for float32"
        )
    return rows
