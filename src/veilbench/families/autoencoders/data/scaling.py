"""Scaling of columns by the training part in float64, before rounding to float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.raw import find_distinct

Scale = Literal["none", "minmax", "standard"]
NOISE = 8 * np.finfo(np.float64).eps  # relative; smaller differences are rounding errors of earlier sums
FEWEST_STEPS = 1000  # fewest steps of float32 within a column's range
MIXED = 0.99  # share of the variance of all columns in one of them from which their units are called different
WHOLE = 2**24  # float32 holds every whole number up to here


@dataclass(frozen=True)
class Scaling:
    """A linear scaling of rows: (row - shift) / width.

    Attributes:
        shift: what is subtracted, float64, of the shape of one row or ().
        width: what the difference is divided by, of the same shape.
    """

    shift: np.ndarray
    width: np.ndarray

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Scale rows in float64, shape (n, ...), and round them to float32; they may become infinite."""
        with np.errstate(over="ignore"):
            return np.asarray(((rows - self.shift) / self.width).astype(np.float32))

    def invert(self, rows: np.ndarray) -> np.ndarray:
        """Return rows before they were scaled, shape (n, ...), float64."""
        return np.asarray(rows * self.width + self.shift)


NO_SCALING = Scaling(np.zeros(()), np.ones(()))


def scale_parts(
    parts: Sequence[np.ndarray], scale: Scale, features: Sequence[str], notes: list[str]
) -> tuple[list[np.ndarray], Scaling]:
    """Scale all parts by the training part, and round them to float32; return them and the scaling.

    Args:
        parts: rows of each part, shape (n, ...), float32 or float64; the training part first.
        scale: "none", "minmax" to [0, 1], or "standard" to mean 0 and variance 1.
        features: names of the columns; empty for images.
        notes: notes to extend by the constant columns.

    Raises:
        UserError: float32 cannot hold the values: they become infinite, or a column loses its variation.
    """
    train = parts[0]
    low, high = train.min(0).astype(np.float64), train.max(0).astype(np.float64)
    still = high - low <= NOISE * np.maximum(np.abs(low), np.abs(high))
    if features and still.any():
        constant = [name for name, flat in zip(features, still, strict=True) if flat]
        notes.append(f"{len(constant)} columns are constant in the training rows: {shorten(constant)}")
    if scale == "none":
        _refuse_coarse(parts, still, features)
        _note_rounded(parts, features, notes)
        _note_mixed(parts[0], features, notes)
        return [np.asarray(part, np.float32) for part in parts], NO_SCALING
    mean, deviation = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    shift, width = (low, high - low) if scale == "minmax" else (mean, deviation)
    scaling = Scaling(np.where(still, low, shift), np.where(still, 1, width))
    made = [scaling.apply(part) for part in parts]
    if not all(np.isfinite(part).all() for part in made):
        raise UserError(f"data.scale={scale} makes values infinite: a column barely varies in the training rows")
    return made, scaling


def _refuse_coarse(parts: Sequence[np.ndarray], still: np.ndarray, features: Sequence[str]) -> None:
    """Reject float64 columns so far from 0 that float32 resolves their range in only a few steps."""
    if parts[0].dtype == np.float32 or not features:
        return
    low, high = (np.array([most(part, 0) for part in parts]) for most in (np.min, np.max))
    low, high = low.min(0), high.max(0)
    step = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32)).astype(np.float64)
    rounded = np.any([(part.astype(np.float32) != part).any(0) for part in parts], axis=0)
    coarse = rounded & ~still & (high - low < FEWEST_STEPS * step)
    if coarse.any():
        at = int(np.argmax(coarse))
        raise UserError(
            f"data.scale=none: column {features[at]} lies in {low[at]:.15g} to {high[at]:.15g}, where float32 holds "
            f"steps of {step[at]:g} alone; data.scale=standard or minmax scales before it rounds"
        )


def _note_rounded(parts: Sequence[np.ndarray], features: Sequence[str], notes: list[str]) -> None:
    """Note columns with whole numbers that float32 rounds; rounded fractions are expected."""
    if parts[0].dtype == np.float32 or not features:
        return
    rounded = np.any([((part == np.rint(part)) & (part.astype(np.float32) != part)).any(0) for part in parts], axis=0)
    if rounded.any():
        named = [name for name, changed in zip(features, rounded, strict=True) if changed]
        notes.append(f"whole numbers above {WHOLE:,} are rounded to float32: {shorten(named)}")


def _note_mixed(train: np.ndarray, features: Sequence[str], notes: list[str]) -> None:
    """Note columns of such different units that one of them makes up nearly all distances and errors."""
    variances = train.var(0, dtype=np.float64)
    if not features or (variances > 0).sum() < 2 or (share := variances.max() / variances.sum()) < MIXED:
        return
    notes.append(
        f"columns of different units: {features[int(variances.argmax())]} alone makes up {share:.1%} of the variance, "
        "and so of distances and errors; data.scale=standard weighs all columns alike"
    )


def drop_duplicates(
    x: Sequence[np.ndarray], y: Sequence[np.ndarray], notes: list[str]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Remove rows that rounding has made equal to another row; the row of the earliest part is kept.

    Args:
        x: rows of each part, shape (n, ...), float32.
        y: labels of each part's rows, shape (n,).
        notes: notes to extend by the number of removed rows.
    """
    dropped: list[str] = []
    part = np.repeat(np.arange(len(x)), [len(rows) for rows in x])
    kept = find_distinct(np.concatenate(x), np.concatenate(y), dropped)
    notes += [f"rounded to float32: {note}" for note in dropped]
    if len(kept) == len(part):
        return list(x), list(y)
    first = np.cumsum([0, *(len(rows) for rows in x)])
    places = [kept[part[kept] == number] - first[number] for number in range(len(x))]
    return [rows[i] for rows, i in zip(x, places, strict=True)], [
        labels[i] for labels, i in zip(y, places, strict=True)
    ]


def shorten(names: Sequence[str]) -> str:
    """Return the first five names, separated by commas."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
