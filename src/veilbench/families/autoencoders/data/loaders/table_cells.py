"""Cells of a table that need interpretation: blanks, words for missing values, numbers stored as objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import EXACT

if TYPE_CHECKING:
    import pandas as pd

TRUTH = {"true": 1.0, "false": 0.0}
# What pandas takes for a missing value in a CSV file, where blanks around the word hide it from pandas.
NUMBERS = ("-1.#IND", "1.#IND", "-1.#QNAN", "1.#QNAN", "-NaN", "-nan", "NaN", "nan")
MISSING = frozenset(["", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "n/a", "NULL", "null", "None", *NUMBERS])


@dataclass(frozen=True)
class Cells:
    """Distinguishes texts from numbers in the columns of one table.

    Attributes:
        where: path of the file, for errors.
        place: returns the place of a row, given its index from 0, such as "line 52".
        missing_words: additional words that stand for a missing value.
        texts: columns that hold texts although their cells look like numbers.
        decimal: decimal separator, "." or ",".
    """

    where: str
    place: Callable[[int], str]
    missing_words: Collection[str] = ()
    texts: Collection[str] = ()
    decimal: str = "."

    def clean(self, frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
        """Convert columns to numbers if all their cells are numbers, and otherwise strip blanks from texts.

        Raises:
            UserError: a column mixes numbers and texts, or holds other types.
        """
        made = frame.copy(deep=False)
        for name in frame:
            if frame[name].dtype == object or str(frame[name].dtype).startswith("str"):
                made[name] = self._convert_column(frame[name], notes)
        return made

    def _convert_column(self, column: pd.Series, notes: list[str]) -> pd.Series:
        import pandas as pd

        present = ~column.isna().to_numpy()
        kinds = {type(cell) for cell in column[present]}
        if kinds == {str}:
            return self._convert_texts(column, present, notes)
        if not kinds or kinds <= {bool, np.bool_, int, float, Decimal}:
            cells = [float(cell) if here else np.nan for cell, here in zip(column, present, strict=True)]
            for row in np.flatnonzero(present):
                self._refuse_inexact(column.name, int(row), column.iloc[row])
            return pd.Series(cells, column.index, dtype=np.float64, name=column.name)
        strange = next(kind.__name__ for kind in kinds if kind is not str)
        raise UserError(f"{self.where}: column {column.name} holds {strange}; numbers or texts are needed: take it out")

    def _convert_texts(self, column: pd.Series, present: np.ndarray, notes: list[str]) -> pd.Series:
        import pandas as pd

        cells = [str(cell).strip() if here else None for cell, here in zip(column, present, strict=True)]
        if blanks := sum(cell is not None and cell != was for cell, was in zip(cells, column, strict=True)):
            notes.append(f"column {column.name}: whitespace around {blanks:,} texts was removed")
        gone = MISSING | {word.strip() for word in self.missing_words}
        cells = [None if cell in gone else cell for cell in cells]
        told = [cell for cell in cells if cell is not None]
        values = [self._parse(cell) for cell in told]
        if column.name in self.texts or all(value is None for value in values):
            self._refuse_commas(column.name, cells, told)
            return pd.Series(cells, column.index, dtype=object, name=column.name)
        if None in values:
            self._refuse_mixed(column.name, cells, sum(value is not None for value in values))
        numbers = iter(values)
        made = np.array([np.nan if cell is None else next(numbers) for cell in cells], np.float64)
        for row in np.flatnonzero(np.abs(made) >= EXACT):
            self.refuse_rounded(column.name, int(row), str(cells[row]))
        return pd.Series(made, column.index, name=column.name)

    def _parse(self, cell: str) -> float | None:
        """Return the number or truth value that a text stands for; None for any other text."""
        cell = cell.replace("\N{MINUS SIGN}", "-")
        if re.fullmatch(
            rf"[+-]?(\d+({re.escape(self.decimal)}\d*)?|{re.escape(self.decimal)}\d+)([eE][+-]?\d+)?", cell
        ):
            return float(cell.replace(self.decimal, "."))
        return TRUTH.get(cell.lower())

    def _refuse_mixed(self, name: object, cells: list[str | None], numbers: int) -> None:
        row = next(i for i, cell in enumerate(cells) if cell is not None and self._parse(cell) is None)
        raise UserError(
            f"{self.where}, {self.place(row)}: {cells[row]!r} in column {name} is no number, as {numbers:,} cells of "
            f"this column are; if it means that the value is missing, add it to data.source.missing_words; if the "
            f"column holds texts, add {name} to data.source.texts"
        )

    def _refuse_commas(self, name: object, cells: list[str | None], told: list[str]) -> None:
        if name in self.texts or not told or not all(re.fullmatch(r"[+-]?\d*[.,]\d+", cell) for cell in told):
            return
        row = next(i for i, cell in enumerate(cells) if cell is not None)
        raise UserError(
            f"{self.where}, {self.place(row)}: {cells[row]!r} in column {name} looks like a number, but "
            f"data.source.decimal is {self.decimal!r}; set it, or add {name} to data.source.texts"
        )

    def refuse_rounded(self, name: object, row: int, cell: str) -> None:
        """Reject a cell with a whole number that float64 cannot hold.

        Raises:
            UserError: the number has too many digits.
        """
        if re.fullmatch(r"[+-]?\d+", cell):
            self._refuse_inexact(name, row, int(cell))

    def _refuse_inexact(self, name: object, row: int, number: object) -> None:
        if isinstance(number, int) and int(float(number)) != number:
            raise UserError(
                f"{self.where}, {self.place(row)}: {number} in column {name} has more digits than float64 holds; "
                f"shorten it, take the column out, or, if it holds a few texts, add {name} to data.source.texts"
            )
