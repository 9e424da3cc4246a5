"""Scaling of columns by the training part in float64, before rounding to float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError

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
        if self is NO_SCALING:
            return np.asarray(rows, np.float32)
        with np.errstate(over="ignore"):
            return np.asarray(((rows - self.shift) / self.width).astype(np.float32))

    def invert(self, rows: np.ndarray) -> np.ndarray:
        """Return rows before they were scaled, shape (n, ...), float64."""
        return np.asarray(rows * self.width + self.shift)


NO_SCALING = Scaling(np.zeros(()), np.ones(()))


@dataclass(frozen=True)
class Columns:
    """What is known of each position of a row: arrays of the shape of one row.

    Attributes:
        low, high: smallest and largest value in the training part, float64.
        mean, variance: mean and variance in the training part, float64.
        lowest, highest: smallest and largest value in all parts, float64.
        rounded: whether float32 rounds a value of any part.
        whole_rounded: whether float32 rounds a whole number of any part.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    rounded: np.ndarray
    whole_rounded: np.ndarray


def find_rounded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each position whether float32 rounds a value of the rows, and whether it rounds a whole number."""
    changed = rows.astype(np.float32) != rows
    return changed.any(0), (changed & (rows == np.rint(rows))).any(0)


def measure_columns(train: np.ndarray, rows: np.ndarray) -> Columns:
    """Measure the columns of rows in memory.

    Args:
        train: rows of the training part, shape (n, ...).
        rows: rows of all parts.
    """
    ends = [end(part, 0).astype(np.float64) for part in (train, rows) for end in (np.min, np.max)]
    mean, variance = train.mean(0, dtype=np.float64), train.var(0, dtype=np.float64)
    return Columns(ends[0], ends[1], mean, variance, ends[2], ends[3], *find_rounded(rows))


def choose_scaling(columns: Columns, scale: Scale, features: Sequence[str], notes: list[str]) -> Scaling:
    """Return the scaling that the training part gives.

    Args:
        columns: what is known of each column.
        scale: "none", "minmax" to [0, 1], or "standard" to mean 0 and variance 1.
        features: names of the columns; empty for images.
        notes: notes to extend by constant columns, rounded numbers and mixed units.

    Raises:
        UserError: a column loses its variation when it is rounded to float32 without scaling.
    """
    low, high = columns.low, columns.high
    still = high - low <= NOISE * np.maximum(np.abs(low), np.abs(high))
    if features and still.any():
        constant = [name for name, flat in zip(features, still, strict=True) if flat]
        notes.append(f"{len(constant)} columns are constant in the training rows: {shorten(constant)}")
    if scale == "none":
        if features:
            _refuse_coarse(columns, still, features)
            _note_rounded(columns, features, notes)
            _note_mixed(columns.variance, features, notes)
        return NO_SCALING
    shift, width = (low, high - low) if scale == "minmax" else (columns.mean, np.sqrt(columns.variance))
    return Scaling(np.where(still, low, shift), np.where(still, 1, width))


def _refuse_coarse(columns: Columns, still: np.ndarray, features: Sequence[str]) -> None:
    """Reject float64 columns so far from 0 that float32 resolves their range in only a few steps."""
    low, high = columns.lowest, columns.highest
    step = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32)).astype(np.float64)
    coarse = columns.rounded & ~still & (high - low < FEWEST_STEPS * step)
    if coarse.any():
        at = int(np.argmax(coarse))
        raise UserError(
            f"data.scale=none: column {features[at]} lies in {low[at]:.15g} to {high[at]:.15g}, where float32 holds "
            f"steps of {step[at]:g} alone; data.scale=standard or minmax scales before it rounds"
        )


def _note_rounded(columns: Columns, features: Sequence[str], notes: list[str]) -> None:
    """Note columns with whole numbers that float32 rounds; rounded fractions are expected."""
    if columns.whole_rounded.any():
        named = [name for name, changed in zip(features, columns.whole_rounded, strict=True) if changed]
        notes.append(f"whole numbers above {WHOLE:,} are rounded to float32: {shorten(named)}")


def _note_mixed(variances: np.ndarray, features: Sequence[str], notes: list[str]) -> None:
    """Note columns of such different units that one of them makes up nearly all distances and errors."""
    if (variances > 0).sum() < 2 or (share := variances.max() / variances.sum()) < MIXED:
        return
    notes.append(
        f"columns of different units: {features[int(variances.argmax())]} alone makes up {share:.1%} of the variance, "
        "and so of distances and errors; data.scale=standard weighs all columns alike"
    )


def refuse_infinite(rows: np.ndarray, scale: Scale) -> np.ndarray:
    """Return scaled rows, shape (n, ...), if all values are finite.

    Raises:
        UserError: some are not.
    """
    if not np.isfinite(rows).all():
        raise UserError(f"data.scale={scale} makes values infinite: a column barely varies in the training rows")
    return rows


def shorten(names: Sequence[str]) -> str:
    """Return the first five names, separated by commas."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
