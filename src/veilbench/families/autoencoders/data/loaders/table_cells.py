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
        kinds = {type(cell) for cell in column[present].to_numpy(object)}
        if kinds == {str}:
            return self._convert_texts(column, notes)
        if not kinds or kinds <= {bool, np.bool_, int, float, Decimal}:
            cells = [float(cell) if here else np.nan for cell, here in zip(column, present, strict=True)]
            for row in np.flatnonzero(present):
                self._refuse_inexact(column.name, int(row), column.iloc[row])
            return pd.Series(cells, column.index, dtype=np.float64, name=column.name)
        strange = next(kind.__name__ for kind in kinds if kind is not str)
        raise UserError(f"{self.where}: column {column.name} holds {strange}; numbers or texts are needed: take it out")

    def _convert_texts(self, column: pd.Series, notes: list[str]) -> pd.Series:
        import pandas as pd

        places, distinct = pd.factorize(column)  # -1 where a value is missing
        counts = np.bincount(places[places >= 0], minlength=len(distinct))
        stripped = [str(text).strip() for text in distinct]
        changed = [text != was for text, was in zip(stripped, distinct, strict=True)]
        if blanks := int(counts @ changed):
            notes.append(f"column {column.name}: whitespace around {blanks:,} texts was removed")
        gone = MISSING | {word.strip() for word in self.missing_words}
        kept = [None if text in gone else text for text in stripped]
        values = [None if text is None or column.name in self.texts else self._parse(text) for text in kept]
        cells = np.array([*kept, None], dtype=object)[places]
        numbers = [value is not None for value in values]
        if not any(numbers):
            self._refuse_commas(column.name, cells, [text for text in kept if text is not None])
            return pd.Series(cells, column.index, dtype=object, name=column.name)
        if any(text is not None and value is None for text, value in zip(kept, values, strict=True)):
            self._refuse_mixed(column.name, cells, int(counts @ numbers))
        made = np.array([*(np.nan if value is None else value for value in values), np.nan])[places]
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

    def _refuse_mixed(self, name: object, cells: np.ndarray, numbers: int) -> None:
        row = next(i for i, cell in enumerate(cells) if cell is not None and self._parse(cell) is None)
        raise UserError(
            f"{self.where}, {self.place(row)}: {cells[row]!r} in column {name} is no number, as {numbers:,} cells of "
            f"this column are; if it means that the value is missing, add it to data.source.missing_words; if the "
            f"column holds texts, add {name} to data.source.texts"
        )

    def _refuse_commas(self, name: object, cells: np.ndarray, kept: list[str]) -> None:
        if name in self.texts or not kept or not all(re.fullmatch(r"[+-]?\d*[.,]\d+", cell) for cell in kept):
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
