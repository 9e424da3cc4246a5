"""Rows that are read in batches, several times over, and written to mapped files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from veilbench.families.autoencoders.data.loaders.streamed_table import StreamedTable
from veilbench.families.autoencoders.data.mapped_file import create_file
from veilbench.families.autoencoders.data.scaling import Columns, Scale, Scaling, find_rounded, refuse_infinite


class StreamedRows:
    """Rows of a table that is read in batches; of each row, its label and its place are in memory.

    Rows count as equal if their hashes of 64 bits are. Two of n different rows have the same hash with a probability of
    about n^2 / 2^65: 3e-8 for 1,000,000 rows. One of them is dropped then.

    Args:
        source: the table.
    """

    precision: Literal["float32", "float64"] = "float64"

    def __init__(self, source: StreamedTable) -> None:
        self.source, self.features, self.labels = source, source.features, source.labels
        self.notes, self.table = source.notes, source.table
        self.shape: Sequence[int] = (len(source.features),)
        self.y = np.zeros(source.rows, np.min_scalar_type(len(source.labels)))

    def make_keys(self) -> np.ndarray:
        """Return the hash of each row, and keep the labels."""
        keys, first = np.zeros(len(self.y), np.uint64), 0
        for x, y in self.source.read_batches():
            self.y[first : first + len(y)], keys[first : first + len(y)] = y, hash_rows(x)
            first += len(y)
        return keys

    def measure(self, parts: Sequence[np.ndarray]) -> Columns:
        """Measure the columns of the parts."""
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        spread, ends, every = StandardScaler(), MinMaxScaler(), MinMaxScaler()
        rounded = whole = np.zeros(self.shape, bool)
        origin = None  # near the mean: scikit-learn's sums lose the digits of a column that is far from 0
        for x, _, part in self._read_parts(parts):
            if (part == 0).any():
                origin = x[part == 0][0] if origin is None else origin
                spread.partial_fit(x[part == 0] - origin)
                ends.partial_fit(x[part == 0])
            every.partial_fit(x)
            more = find_rounded(x)
            rounded, whole = rounded | more[0], whole | more[1]
        low, high, lowest, highest = (end for one in (ends, every) for end in (one.data_min_, one.data_max_))
        return Columns(low, high, origin + spread.mean_, spread.var_, lowest, highest, rounded, whole)

    def make_rounded_keys(self, parts: Sequence[np.ndarray], scaling: Scaling, scale: Scale) -> np.ndarray:
        """Return the hash of each scaled row."""
        keys = np.zeros(sum(map(len, parts)), np.uint64)
        for x, place, _ in self._read_parts(parts):
            keys[place] = hash_rows(refuse_infinite(scaling.apply(x), scale))
        return keys

    def write(self, folder: Path, parts: Mapping[str, np.ndarray], scaling: Scaling) -> dict[str, np.ndarray]:
        """Write the scaled rows of each part to a file, and return no arrays."""
        files = [create_file(folder, f"{name}_x", [len(rows), *self.shape]) for name, rows in parts.items()]
        firsts = np.cumsum([0, *map(len, files)])
        for x, place, part in self._read_parts(list(parts.values())):
            scaled = scaling.apply(x)
            for number, file in enumerate(files):
                file[place[part == number] - firsts[number]] = scaled[part == number]
        return {}

    def _read_parts(self, parts: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield the rows of the parts in the order of the table, in batches of n rows.

        Yields:
            The rows, shape (n, features), float64; the place of each among the rows of all parts in turn, shape (n,);
            and the number of its part, shape (n,).
        """
        places, numbers = np.full(len(self.y), -1), np.zeros(len(self.y), np.int8)
        first = 0
        for number, rows in enumerate(parts):
            places[rows], numbers[rows] = np.arange(first, first + len(rows)), number
            first += len(rows)
        first = 0
        for x, y in self.source.read_batches():
            place, part = places[first : first + len(y)], numbers[first : first + len(y)]
            first += len(y)
            if len(taken := np.flatnonzero(place >= 0)):
                yield x[taken], place[taken], part[taken]


def hash_rows(rows: np.ndarray) -> np.ndarray:
    """Return a hash of 64 bits of each row, shape (n, features) to (n,), uint64."""
    import pandas as pd

    return np.asarray(pd.util.hash_pandas_object(pd.DataFrame(rows), index=False))
