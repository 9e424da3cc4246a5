"""What a source of rows reads, what is refused in it, and its rows without repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import EXACT


@dataclass(frozen=True)
class Raw:
    """What a loader reads.

    Attributes:
        x: shape (n, features) or (n, channels, height, width), float32 or float64; images in [0, 1]. A table keeps
            float64 until it is scaled: in float32, 5,000,000.05 and 5,000,000.10 are one number.
        y: shape (n,), int64: the place of each row's label in `labels`.
        features: names of a table's columns; empty for images.
        labels: names of the classes; one name where there are no classes.
        notes: what the loader did to the data that a reader of the results should know.
    """

    x: np.ndarray
    y: np.ndarray
    features: list[str]
    labels: list[str]
    notes: list[str] = field(default_factory=list)


class Source(Protocol):
    """A loader or a generator."""

    def read(self, rng: np.random.Generator) -> Raw:
        """Read or generate everything; `rng` is for generators."""
        ...


def checked(raw: Raw) -> Raw:
    """The rows without negative zeros, the labels as int64; what no model can learn from is refused.

    Images and float32 stay or become float32; other numbers in a table become float64.

    Raises:
        UserError: wrong shapes, names that repeat, values that float32 cannot hold as finite numbers, whole numbers
            that float64 cannot hold, a label without a name or without rows.
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
    _refuse_infinite(x, raw.features)
    _refuse_inexact(x, raw.features)
    plain = np.dtype(np.float32 if x.ndim == 4 or x.dtype in (np.float32, np.float16) else np.float64)
    x = x.astype(plain) + plain.type(0)  # -0.0 + 0.0 is 0.0: the two must not pass for different rows
    return replace(raw, x=x, y=_checked_labels(y, raw.labels))


def _refuse_infinite(x: np.ndarray, features: Sequence[str]) -> None:
    wrong = ~(np.abs(x) <= np.finfo(np.float32).max) if x.dtype.kind == "f" else np.zeros(1, bool)  # NaN is none
    if count := int(wrong.sum()):
        row, *place = (int(i[0]) for i in np.nonzero(wrong))
        where = f"column {features[place[0]]}" if features else f"at {tuple(place)}"
        value = x[(row, *place)]
        raise UserError(f"{count:,} values are not finite in float32; the first is {value} in row {row}, {where}")


def _refuse_inexact(x: np.ndarray, features: Sequence[str]) -> None:
    """Refuse whole numbers that float64 would round: rows that differ by such a number would become the same."""
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8:
        return
    as_float = x.astype(np.float64)
    with np.errstate(invalid="ignore"):  # the largest numbers overflow on the way back, and are refused as well
        wrong = (np.abs(as_float) >= EXACT) & (as_float.astype(x.dtype) != x)
    if wrong.any():
        row, *place = (int(i[0]) for i in np.nonzero(wrong))
        where = f"column {features[place[0]]}" if features else f"at {tuple(place)}"
        raise UserError(
            f"{x[(row, *place)]} in row {row}, {where}, has more digits than float64 holds; shorten it, or take a "
            "column of such numbers out"
        )


def _checked_labels(y: np.ndarray, labels: list[str]) -> np.ndarray:
    if not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"y of type {y.dtype} must hold whole numbers: each row's place in {labels}")
    if y.min() < 0 or y.max() >= len(labels):
        stray = int(y.min()) if y.min() < 0 else int(y.max())
        raise UserError(f"label number {stray} has no name; there are: {', '.join(labels)}")
    counts = np.bincount(y, minlength=len(labels))
    if not counts.all():
        raise UserError(f"the class {labels[int(np.argmin(counts))]} has no rows")
    return y.astype(np.int64)


def distinct(x: np.ndarray, y: np.ndarray, notes: list[str]) -> np.ndarray:
    """Places of the rows without repeats, in the order of their first appearance; repeats are counted in the notes.

    A row that appears with two labels is kept once, with its first label, and counted too. Rows are compared as bytes.
    """
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    keys = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
    _, first, where = np.unique(keys, return_index=True, return_inverse=True)
    if (dropped := len(x) - len(first)) > 0:
        two_labels = int((y != y[first][where]).sum())
        notes.append(f"{dropped:,} repeated rows dropped, {two_labels:,} of them with another label than the first")
    return np.sort(first)
