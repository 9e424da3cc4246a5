"""Conversion of a new table's columns to the features of a table that was read before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from veilbench.bench.errors import UserError, list_known
from veilbench.families.autoencoders.data.loaders.table_columns import is_numeric
from veilbench.families.autoencoders.data.table_format import TableFormat

if TYPE_CHECKING:
    import pandas as pd


class KnownColumns:
    """Encodes rows as the earlier table was encoded.

    Args:
        features: names of the features, in their order.
        table: how the earlier table's cells became features.
        where: path of the new file, for errors.
        place: returns the place of a row, given its index from 0, such as "line 52".
    """

    def __init__(self, features: list[str], table: TableFormat, where: str, place: Callable[[int], str]) -> None:
        self.features, self.table, self.where, self.place = features, table, where, place
        self.one_hot = table.list_one_hot()
        self.numbers = [name for name in features if name not in self.one_hot]

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Convert a table to features, shape (n, features), float64; a column of labels is left out.

        Raises:
            UserError: a column is missing or unknown, a value is missing, a text is unknown, or texts stand where
                numbers are needed.
        """
        if self.table.label is not None and self.table.label in frame.columns:
            frame = frame.drop(columns=self.table.label)
        self._check_columns([str(name) for name in frame.columns])
        columns = {name: self._read_numbers(frame[name]) for name in self.numbers}
        texts = {name: self._read_texts(frame[name]) for name in self.table.texts}
        for feature, (name, value) in self.one_hot.items():
            columns[feature] = (texts[name] == value).astype(np.float64)
        return np.stack([columns[name] for name in self.features], axis=1)

    def _check_columns(self, names: list[str]) -> None:
        wanted = [*self.numbers, *self.table.texts]
        if lacking := [name for name in wanted if name not in names]:
            raise UserError(
                f"{self.where} has no column {lacking[0]}, which the model needs{list_known(lacking[0], names)}"
            )
        if more := [name for name in names if name not in wanted]:
            raise UserError(
                f"{self.where}: the model does not know the column {more[0]}; take it out{list_known(more[0], wanted)}"
            )

    def _read_numbers(self, column: pd.Series) -> np.ndarray:
        if not is_numeric(column):
            raise UserError(f"{self.where}: column {column.name} holds {column.dtype}; numbers are needed")
        values = np.asarray(column.to_numpy(np.float64, na_value=np.nan))
        missing = np.isnan(values)
        if not missing.any():
            return values
        if self.table.medians is None:
            self._refuse_missing(column, int(np.argmax(missing)))
        return np.where(missing, self.table.medians[str(column.name)], values)

    def _read_texts(self, column: pd.Series) -> np.ndarray:
        """Return the texts of a column, shape (n,); a missing one is None where missing values are allowed."""
        known = self.table.texts[str(column.name)]
        missing = column.isna().to_numpy()
        if missing.any() and self.table.medians is None:
            self._refuse_missing(column, int(np.argmax(missing)))
        texts = [None if gone else str(value) for value, gone in zip(column, missing, strict=True)]
        for row, text in enumerate(texts):
            if text is not None and text not in known:
                said = f"{text!r} in column {column.name} is no value of the training data{list_known(text, known)}"
                raise UserError(f"{self.where}, {self.place(row)}: {said}")
        return np.array(texts, dtype=object)

    def _refuse_missing(self, column: pd.Series, row: int) -> NoReturn:
        raise UserError(
            f"{self.where}, {self.place(row)}: the value of column {column.name} is missing; the model needs all values"
        )
