"""Rows as read by a source, checks on them, and removal of duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import EXACT
from veilbench.families.autoencoders.data.table_format import TableFormat


@dataclass(frozen=True)
class Raw:
    """Rows as returned by a loader or generator.

    Attributes:
        x: rows, shape (n, features) or (n, channels, height, width), float32 or float64; images in [0, 1]. Tables keep
            float64 until they are scaled: in float32, 5,000,000.05 and 5,000,000.10 are the same number.
        y: label of each row as an index into `labels`, shape (n,), int64.
        features: names of a table's columns; empty for images.
        labels: names of the classes; a single name if there are no classes.
        notes: changes made to the data that a reader of the results should know.
        table: how a table's cells became features, for new rows of it.
    """

    x: np.ndarray
    y: np.ndarray
    features: list[str]
    labels: list[str]
    notes: list[str] = field(default_factory=list)
    table: TableFormat = field(default_factory=TableFormat)


class Source(Protocol):
    """Interface of a loader or generator of rows."""

    def read(self, rng: np.random.Generator) -> Raw:
        """Read or generate all rows; only generators use `rng`."""
        ...


def check_raw(raw: Raw) -> Raw:
    """Check rows, and return them without negative zeros and with labels as int64.

    Images and float32 tables become or stay float32; other tables become float64.

    Raises:
        UserError: there are wrong shapes, duplicate names, values that are not finite in float32, whole numbers that
            float64 cannot hold, or a label without a name or without rows.
    """
    x, y = np.asarray(raw.x), np.asarray(raw.y)
    if x.ndim not in (2, 4) or not x.size or y.shape != x.shape[:1]:
        raise UserError(f"x of shape {x.shape} with y of shape {y.shape}: (n, features) or (n, c, h, w) is needed")
    if x.dtype.kind not in "fiub":
        raise UserError(f"x of type {x.dtype} holds no real numbers")
    if raw.features and len(raw.features) != x.shape[1]:
        raise UserError(f"{len(raw.features)} names for {x.shape[1]} columns")
    for kind, names in (("column", raw.features), ("label", raw.labels)):
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"the {kind} name {twice[0]} stands for {names.count(twice[0])} {kind}s; one is allowed")
    return replace(raw, x=check_values(x, raw.features), y=_check_labels(y, raw.labels))


def check_values(x: np.ndarray, features: Sequence[str], first: int = 0) -> np.ndarray:
    """Check numbers, and return them as float32 or float64 without negative zeros.

    Args:
        x: rows, shape (n, features) or (n, channels, height, width).
        features: names of the columns, for errors; empty for images.
        first: number of the first of these rows in their source, for errors.

    Raises:
        UserError: a value is not finite in float32, or a whole number that float64 cannot hold.
    """
    _refuse_infinite(x, features, first)
    _refuse_inexact(x, features, first)
    plain = np.dtype(np.float32 if x.ndim == 4 or x.dtype in (np.float32, np.float16) else np.float64)
    return np.asarray(x.astype(plain) + plain.type(0))  # -0.0 + 0.0 is 0.0: otherwise equal rows would seem different


def _refuse_infinite(x: np.ndarray, features: Sequence[str], first: int) -> None:
    wrong = ~(np.abs(x) <= np.finfo(np.float32).max) if x.dtype.kind == "f" else np.zeros(1, bool)  # NaN is none
    if count := int(wrong.sum()):
        row, *place = (int(i[0]) for i in np.nonzero(wrong))
        where = f"column {features[place[0]]}" if features else f"at {tuple(place)}"
        value = x[(row, *place)]
        raise UserError(
            f"{count:,} values are not finite in float32; the first is {value} in row {first + row}, {where}"
        )


def _refuse_inexact(x: np.ndarray, features: Sequence[str], first: int) -> None:
    """Reject whole numbers that float64 would round, because different rows could become equal."""
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8:
        return
    as_float = x.astype(np.float64)
    with np.errstate(invalid="ignore"):  # the largest numbers overflow when converted back, and are rejected too
        wrong = (np.abs(as_float) >= EXACT) & (as_float.astype(x.dtype) != x)
    if wrong.any():
        row, *place = (int(i[0]) for i in np.nonzero(wrong))
        where = f"column {features[place[0]]}" if features else f"at {tuple(place)}"
        raise UserError(
            f"{x[(row, *place)]} in row {first + row}, {where}, has more digits than float64 holds; shorten it, or "
            "take a column of such numbers out"
        )


def _check_labels(y: np.ndarray, labels: list[str]) -> np.ndarray:
    if not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"y of type {y.dtype} must hold whole numbers: each row's place in {labels}")
    if y.min() < 0 or y.max() >= len(labels):
        stray = int(y.min()) if y.min() < 0 else int(y.max())
        raise UserError(f"label number {stray} has no name; there are: {', '.join(labels)}")
    counts = np.bincount(y, minlength=len(labels))
    if not counts.all():
        raise UserError(f"the class {labels[int(np.argmin(counts))]} has no rows")
    return y.astype(np.int64)


def make_keys(x: np.ndarray) -> np.ndarray:
    """Return the bytes of each row as one value, shape (n,): rows are equal where these are."""
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    return flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()


def find_distinct(keys: np.ndarray, y: np.ndarray, notes: list[str]) -> np.ndarray:
    """Return the indices of distinct rows, in the order of their first appearance; notes count the duplicates.

    A row that appears with two labels is kept once, with its first label, and counted separately.

    Args:
        keys: a value for each row, equal for equal rows, shape (n,).
        y: label of each row, shape (n,).
        notes: notes to extend by the number of duplicates.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if new.all():
        return np.arange(len(keys))
    first = order[new]
    two_labels = int((y[order] != y[first][np.cumsum(new) - 1]).sum())
    dropped = len(keys) - len(first)
    notes.append(f"{dropped:,} repeated rows dropped, {two_labels:,} of them with another label than the first")
    return np.sort(first)
