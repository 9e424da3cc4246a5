"""The rows of a source while they are prepared: the interface, and rows in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from veilbench.families.autoencoders.data.raw import Raw, make_keys
from veilbench.families.autoencoders.data.scaling import Columns, Scale, Scaling, measure_columns, refuse_infinite
from veilbench.families.autoencoders.data.table_format import TableFormat


class Table(Protocol):
    """All rows of a source, which are named by their numbers from 0.

    Attributes:
        y: label of each row as an index into `labels`, shape (n,), integers; known once `make_keys` has run.
        shape: shape of one row.
        precision: floating-point type of the rows.
        features, labels, notes, table: as those of `Raw`.
    """

    y: np.ndarray
    shape: Sequence[int]
    precision: Literal["float32", "float64"]
    features: list[str]
    labels: list[str]
    notes: list[str]
    table: TableFormat

    def make_keys(self) -> np.ndarray:
        """Return a value for each row, equal for equal rows, shape (n,)."""
        ...

    def measure(self, parts: Sequence[np.ndarray]) -> Columns:
        """Measure the columns; each part is given by the numbers of its rows, the training part first."""
        ...

    def make_rounded_keys(self, parts: Sequence[np.ndarray], scaling: Scaling, scale: Scale) -> np.ndarray:
        """Return a value for each scaled and rounded row of all parts in turn, equal for equal rows, shape (n,).

        Raises:
            UserError: a scaled value is not finite.
        """
        ...

    def write(self, folder: Path, parts: Mapping[str, np.ndarray], scaling: Scaling) -> dict[str, np.ndarray]:
        """Return the scaled rows `<part>_x` of each part, or write them to files of these names."""
        ...


class HeldRows:
    """Rows in memory.

    Args:
        raw: checked rows.
    """

    def __init__(self, raw: Raw) -> None:
        self.x, self.y = raw.x, raw.y
        self.shape: Sequence[int] = raw.x.shape[1:]
        self.features, self.labels, self.notes, self.table = raw.features, raw.labels, raw.notes, raw.table
        self.precision: Literal["float32", "float64"] = "float32" if raw.x.dtype == np.float32 else "float64"

    def make_keys(self) -> np.ndarray:
        """Return the bytes of each row."""
        return make_keys(self.x)

    def measure(self, parts: Sequence[np.ndarray]) -> Columns:
        """Measure the columns of the parts."""
        return measure_columns(self.x[parts[0]], self.x[np.concatenate(parts)])

    def make_rounded_keys(self, parts: Sequence[np.ndarray], scaling: Scaling, scale: Scale) -> np.ndarray:
        """Return the bytes of each scaled row."""
        return make_keys(refuse_infinite(scaling.apply(self.x[np.concatenate(parts)]), scale))

    def write(self, folder: Path, parts: Mapping[str, np.ndarray], scaling: Scaling) -> dict[str, np.ndarray]:
        """Return the scaled rows of each part."""
        return {f"{name}_x": scaling.apply(self.x[rows]) for name, rows in parts.items()}
