"""Conversion of a table's columns to numbers: missing values, texts and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import encode_classes, note_similar_names

if TYPE_CHECKING:
    import pandas as pd


def handle_missing(
    frame: pd.DataFrame, label: str | None, how: Literal["error", "drop", "median"], where: str, notes: list[str]
) -> pd.DataFrame:
    """Remove or fill missing values in numbers and labels.

    Args:
        frame: table as it was read from the file.
        label: column of the classes; None if there are none.
        how: "error" rejects missing values, "drop" leaves out their rows, "median" fills them with the column's median.
        where: path of the file, for errors.
        notes: notes to extend by what was done.

    Raises:
        UserError: values are missing that must not be, or no rows are left.
    """
    empty = frame.isna()
    cells, rows = int(empty.to_numpy().sum()), int(empty.any(axis=1).sum())
    if not cells:
        return frame
    said = f"{cells:,} values are missing, in {rows:,} of {len(frame):,} rows"
    if how != "median":
        note_left_out(said, rows < len(frame), str(empty.any().idxmax()), how, where, notes)
        return frame[~empty.any(axis=1)].reset_index(drop=True)
    if label is not None and empty[label].any():
        raise UserError(f"{where}: {int(empty[label].sum()):,} labels are missing in column {label}; drop these rows")
    if empty.all().any():
        raise UserError(f"{where}: column {empty.all().idxmax()} is empty and has no median; take it out")
    notes.append(f"{said}: each is its column's median over all rows, the test's too; a missing text is no category")
    return frame.fillna({name: frame[name].median() for name in frame if is_numeric(frame[name])})


def note_left_out(
    said: str, left: bool, first: str, how: Literal["error", "drop"], where: str, notes: list[str]
) -> None:
    """Note that rows with missing values are left out.

    Args:
        said: how many values are missing, and in how many rows.
        left: whether rows are left.
        first: the first column with a missing value.
        how: "error" rejects missing values, "drop" leaves out their rows.
        where: path of the file, for errors.
        notes: notes to extend.

    Raises:
        UserError: values are missing that must not be, or no rows are left.
    """
    if how == "error":
        raise UserError(f"{where}: {said}, first in column {first}; data.source.missing may be drop or median")
    if not left:
        raise UserError(f"{where}: {said}, first in column {first}: data.source.missing=drop leaves no row")
    notes.append(f"{said}: these rows are left out")


def is_numeric(column: pd.Series) -> bool:
    """Return whether a column holds real numbers or truth values."""
    from pandas.api.types import is_complex_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(column) and not is_complex_dtype(column))  # true and false are numbers here


def _is_text(column: pd.Series) -> bool:
    from pandas.api.types import is_object_dtype, is_string_dtype

    return bool(is_object_dtype(column) or is_string_dtype(column) or str(column.dtype) == "category")


def encode_columns(
    frame: pd.DataFrame, most: int, where: str, notes: list[str]
) -> tuple[np.ndarray, list[str], dict[str, list[str]]]:
    """Convert columns to numbers, shape (n, features), float64.

    A text column becomes a column `name=value` of 0 and 1 for each of its values, in alphabetical order.

    Returns:
        The numbers, the names of their columns, and the values of each text column.

    Raises:
        UserError: a text column has more values than `most`, a column holds neither numbers nor texts, or two columns
            would have the same name.
    """
    columns: dict[str, np.ndarray] = {}
    texts: dict[str, list[str]] = {}
    for name in frame:
        column = frame[name]
        if is_numeric(column):
            made = {str(name): column.to_numpy(np.float64)}
        elif _is_text(column):
            made = _one_hot(column, most, f"{where}: column {name}", notes)
            texts[str(name)] = [feature.removeprefix(f"{name}=") for feature in made]
        else:
            raise UserError(f"{where}: column {name} holds {column.dtype}; numbers or texts are needed: take it out")
        if clash := [one for one in made if one in columns or (one != name and one in frame.columns)]:
            raise UserError(f"{where}: a value of the text column {name} makes a second column {clash[0]}; rename one")
        columns |= made
    return np.stack(list(columns.values()), axis=1), list(columns), texts


def _one_hot(column: pd.Series, most: int, where: str, notes: list[str]) -> dict[str, np.ndarray]:
    texts = np.array(["" if gone else str(v) for v, gone in zip(column, column.isna(), strict=True)], dtype=object)
    values = sorted({text for text, gone in zip(texts, column.isna(), strict=True) if not gone})
    refuse_many(values, most, where)
    notes.append(f"column {column.name} is a text: one column of 0 and 1 for each of its {len(values)} values")
    notes += note_similar_names(values, f"column {column.name}: the texts")
    present = ~column.isna().to_numpy()
    return {f"{column.name}={value}": ((texts == value) & present).astype(np.float64) for value in values}


def refuse_many(values: Sequence[str], most: int, where: str) -> None:
    """Refuse a text column with more than `most` different values; `where` names the file and the column.

    Raises:
        UserError: there are more.
    """
    if len(values) > most:
        raise UserError(
            f"{where} holds {len(values):,} different texts such as {values[0]!r}; data.source.one_hot_most={most} "
            "allows fewer: raise it, or take the column out"
        )


def encode_labels(column: pd.Series, where: str, notes: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return class indices and names from a column without missing values.

    Raises:
        UserError: the column holds fractions.
    """
    if is_numeric(column):
        return encode_classes(column.to_numpy(), where, notes)
    return encode_classes(np.array([str(value) for value in column]), where, notes)
