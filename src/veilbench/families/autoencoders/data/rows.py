"""Rows of numbers with labels: tables, signals and images, read by a loader and split into parts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

import numpy as np
from annotated_types import Ge, Lt

from veilbench.bench import prepared
from veilbench.bench.checked_arrays import require_array, require_shape
from veilbench.bench.contracts import DataSet
from veilbench.bench.errors import UserError
from veilbench.bench.labels import normalise_label, note_similar_names
from veilbench.bench.limits import Count, Seed, Share
from veilbench.families.autoencoders.data.held_rows import HeldRows, Table
from veilbench.families.autoencoders.data.mapped_file import map_file
from veilbench.families.autoencoders.data.raw import Source, check_raw, find_distinct
from veilbench.families.autoencoders.data.row_format import RowFormat
from veilbench.families.autoencoders.data.scaling import Scale, Scaling, choose_scaling, shorten

if TYPE_CHECKING:
    from veilbench.families.autoencoders.data.loaders.table_file import TableFile

PARTS = ("train", "validation", "auxiliary", "test")
NAME = "rows"  # name of the file with the arrays
MOST_GATHERED = 100_000  # rows of a part on disk that are copied into memory for what needs them all


@dataclass(frozen=True)
class Part:
    """Rows of one part: x of shape (n, *shape), float32, in memory or mapped from a file; y of shape (n,), int64."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def gathered(self) -> Part:
        """Return at most `MOST_GATHERED` rows in memory, evenly spaced; the rows of a part are in random order."""
        chosen = np.linspace(0, len(self) - 1, min(len(self), MOST_GATHERED)).astype(int)
        return Part(self.x[chosen], self.y[chosen])


@dataclass(frozen=True)
class Rows:
    """A data set, split into parts. No row is in two parts.

    Attributes:
        train: rows that models are trained on.
        validation: rows that decide when training stops, and that thresholds are set by.
        auxiliary: rows that the attackers have.
        test: rows that everything is measured on.
        features: names of a table's columns; empty for images.
        labels: names of the classes; "normal" and "anomaly" if `one_class`.
        one_class: whether all parts except for the test hold normal rows only.
        notes: changes made to the data that a reader of the results should know.
        on_disk: whether the rows are mapped from files: those that are not used take no memory.
    """

    train: Part
    validation: Part
    auxiliary: Part
    test: Part
    features: list[str]
    labels: list[str]
    one_class: bool
    notes: list[str]
    on_disk: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one row."""
        return tuple(self.train.x.shape[1:])

    def gathered(self) -> Self:
        """Return rows in memory: of each part that is on disk, at most `MOST_GATHERED` rows."""
        if not self.on_disk:
            return self
        return replace(self, **{name: getattr(self, name).gathered() for name in PARTS}, on_disk=False)


class RowsData(DataSet):
    """Splits a source's distinct rows at random into four parts, and scales them by the training part.

    Rows are split individually: different rows that belong together (two images of a person, two payments of a card)
    may be in different parts.

    Args:
        source: loader or generator of the rows.
        split: shares of train, validation, auxiliary and test; they sum to 1.
        scale: `none`; `minmax` to [0, 1] over the training part (other rows may lie outside); `standard` to mean 0 and
            variance 1. Scaling is computed in float64 before anything is rounded to float32. Columns that are constant
            in the training part become 0 there and are not stretched elsewhere; the notes name them.
        normal: labels that count as normal. The first three parts then hold normal rows only, and the test holds its
            share of the normal rows and all other rows as anomalies. If empty, there is no one-class split.
        most_rows: maximum number of rows, taken at random from the source; None takes all.
        seed: seed of the generation, shuffling and split.
        contamination: share of anomalies in the training and in the validation part, in [0, 0.5). They are moved there
            from the test part and count as normal, as they would in unlabelled data.
        streamed: whether the rows are read in batches and kept on disk, so that a table may be larger than the memory.
            The source must be a `TableFile` of a Parquet file. Parts, labels and order are those of the table in
            memory. Of each row, about 50 bytes are in memory while they are prepared.
    """

    data_kind = Rows
    any_size: ClassVar[bool] = False  # whether models of this data take images of any height and width

    def __init__(
        self,
        source: Source,
        split: Sequence[Share] = (0.5, 0.1, 0.2, 0.2),
        scale: Scale = "none",
        normal: Sequence[str] = (),
        most_rows: Annotated[Count, Ge(4)] | None = None,
        seed: Seed = 0,
        contamination: Annotated[float, Ge(0), Lt(0.5)] = 0.0,
        streamed: bool = False,
    ) -> None:
        if not callable(getattr(source, "read", None)):
            raise ValueError(f"source={source!r} must be a loader or generator, something with a method `read`")
        if len(split) != 4 or not all(share > 0 for share in split) or not abs(sum(split) - 1) <= 1e-6:
            raise ValueError(f"split={list(split)} must be four positive shares that make 1: {', '.join(PARTS)}")
        if not 0 <= contamination < 0.5:
            raise ValueError(f"contamination={contamination} must be in [0, 0.5)")
        if contamination and not normal:
            raise ValueError(f"contamination={contamination} needs to know what an anomaly is: set normal")
        if streamed and not callable(getattr(source, "read_batches", None)):
            raise ValueError(
                f"streamed=True needs a source that reads in batches, such as TableFile; {type(source).__name__} holds "
                "all rows in memory"
            )
        self.streamed = streamed
        self.source, self.split, self.scale, self.contamination = source, list(split), scale, contamination
        self.normal, self.most_rows, self.seed = list(normal), most_rows, seed

    def prepare(self, folder: Path) -> None:
        """Read or generate the rows, and write rows.safetensors and about.json.

        Streamed rows are written beside them, a file of the type .npy for each part.

        Raises:
            UserError: the rows cannot be used; the message says which and why.
        """
        rng = np.random.default_rng(self.seed)
        table = self._open(rng)
        notes, labels = list(table.notes), list(table.labels)
        taken = find_distinct(table.make_keys(), table.y, notes)  # 8 bytes for each row: a large table has many
        notes += note_similar_names(labels, "the labels")
        if self.most_rows and len(taken) > self.most_rows:
            notes.append(f"{self.most_rows:,} of {len(taken):,} distinct rows taken at random")
        taken = taken[rng.permutation(len(taken))[: self.most_rows]]
        y = table.y[taken]
        if self.normal:
            y, labels = (~np.isin(y, self._normal_indices(labels))).astype(y.dtype), ["normal", "anomaly"]
        dealt = self._contaminate(self._split_rows(y), y, notes)
        parts = [taken[rows] for rows in dealt]
        known = [np.zeros_like(y[rows]) if self.normal and i < 3 else y[rows] for i, rows in enumerate(dealt)]
        del taken, dealt, y
        scaling = choose_scaling(table.measure(parts), self.scale, table.features, notes)
        kept = _drop_rounded(table.make_rounded_keys(parts, scaling, self.scale), known, notes)
        ys = [part[rows] for part, rows in zip(known, kept, strict=True)]
        self._refuse_empty(ys)
        notes += [] if self.normal else _note_missing_classes(ys, labels)
        notes += _note_gathered(len(ys[0])) if self.streamed else []
        arrays = {f"{name}_y": part.astype(np.int64) for name, part in zip(PARTS, ys, strict=True)}
        about = {"features": table.features, "labels": labels, "one_class": bool(self.normal), "notes": notes}
        about |= {"inputs": asdict(self._describe_format(table, scaling)), "on_disk": self.streamed}
        chosen = {name: part[rows] for name, part, rows in zip(PARTS, parts, kept, strict=True)}
        prepared.write(folder, NAME, arrays | table.write(folder, chosen, scaling), about)

    def _open(self, rng: np.random.Generator) -> Table:
        if self.streamed:
            from veilbench.families.autoencoders.data.loaders.streamed_table import StreamedTable
            from veilbench.families.autoencoders.data.streamed_rows import StreamedRows

            return StreamedRows(StreamedTable(cast("TableFile", self.source)))
        return HeldRows(check_raw(self.source.read(rng)))

    def _describe_format(self, table: Table, scaling: Scaling) -> RowFormat:
        shift, width = scaling.shift.ravel().tolist(), scaling.width.ravel().tolist()
        return RowFormat(list(table.shape), table.features, table.precision, shift, width, table.table, self.any_size)

    def describe_inputs(self, folder: Path) -> dict[str, Any]:
        """Return the columns and the scaling of the prepared rows, a `RowFormat` as plain types."""
        with prepared.whole(folder):
            about = json.loads((folder / prepared.ABOUT).read_text(encoding="utf8"))
            return prepared.field(about, "inputs", dict[str, Any])

    def _normal_indices(self, labels: list[str]) -> list[int]:
        if unknown := [name for name in self.normal if name not in labels]:
            raise UserError(f"data.normal={unknown[0]} is no label of this data; there are: {', '.join(labels)}")
        if set(labels) <= set(self.normal):
            raise UserError(f"data.normal={self.normal} leaves no anomaly: the labels are {', '.join(labels)}")
        for name in labels:
            twin = next(
                (own for own in self.normal if own != name and normalise_label(own) == normalise_label(name)), None
            )
            if twin is not None and name not in self.normal:
                raise UserError(
                    f"data.normal={twin} leaves {name!r} as an anomaly, which differs in case or blanks alone; make "
                    "them one in the data, or name both"
                )
        return [labels.index(name) for name in self.normal]

    def _split_rows(self, y: np.ndarray) -> list[np.ndarray]:
        """Return the row indices of each part; with a one-class split all anomalies are in the test."""
        dealt = np.flatnonzero(y == 0) if self.normal else np.arange(len(y))
        ends = np.round(np.cumsum(self.split) * len(dealt)).astype(int)
        parts = np.split(dealt, ends[:-1])
        if empty := [name for name, part in zip(PARTS, parts, strict=True) if not len(part)]:
            kind = "normal rows" if self.normal else "rows"
            raise UserError(f"the part {empty[0]} has no {kind}: {len(dealt)} {kind} are dealt as {self.split}")
        if self.normal:
            anomalies = np.flatnonzero(y != 0)
            if not len(anomalies):
                raise UserError(f"data.normal={self.normal} leaves no anomaly among the {len(y)} distinct rows taken")
            parts[3] = np.sort(np.concatenate([parts[3], anomalies]))
        return parts

    def _contaminate(self, parts: list[np.ndarray], y: np.ndarray, notes: list[str]) -> list[np.ndarray]:
        """Move anomalies from the test part to the training and the validation part, and note it.

        Raises:
            UserError: more than half of the anomalies would be moved.
        """
        share = self.contamination
        counts = [round(len(part) * share / (1 - share)) for part in parts[:2]]
        if not share:
            return parts
        anomalies = parts[3][y[parts[3]] != 0]
        if sum(counts) > len(anomalies) // 2:
            raise UserError(
                f"data.contamination={share:g} takes {sum(counts)} of the {len(anomalies)} anomalies; half may be taken"
            )
        train, validation, rest = np.split(anomalies, np.cumsum(counts))
        notes.append(
            f"{counts[0]} of the training and {counts[1]} of the validation rows are anomalies, not known as such"
        )
        normal_test = parts[3][y[parts[3]] == 0]
        moved = np.sort(np.concatenate([normal_test, rest]))
        return [np.concatenate([parts[0], train]), np.concatenate([parts[1], validation]), parts[2], moved]

    def _refuse_empty(self, y: list[np.ndarray]) -> None:
        """Reject parts that rounding has left empty, or a test without both kinds of rows."""
        if empty := [name for name, part in zip(PARTS, y, strict=True) if not len(part)]:
            raise UserError(f"the part {empty[0]} has no row that differs from the others when rounded to float32")
        if self.normal and len(np.unique(y[3])) < 2:
            said = "both normal rows and anomalies that differ from the others when rounded to float32"
            raise UserError(f"data.normal={self.normal} does not leave {said}")

    def load(self, folder: Path) -> Rows:
        """Read what `prepare` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        with prepared.read(folder, NAME) as (arrays, about):
            features, labels, notes = (
                prepared.field(about, name, list[str]) for name in ("features", "labels", "notes")
            )
            one_class = prepared.field(about, "one_class", bool)
            on_disk = prepared.field(about, "on_disk", bool)
            if on_disk:
                arrays = arrays | {f"{name}_x": map_file(folder, f"{name}_x") for name in PARTS}
            parts = {name: _part(arrays, name, len(labels)) for name in PARTS}
            rows = Rows(**parts, features=features, labels=labels, one_class=one_class, notes=notes, on_disk=on_disk)
            _refuse_inconsistent(rows)
            return rows


def _drop_rounded(keys: np.ndarray, y: Sequence[np.ndarray], notes: list[str]) -> list[np.ndarray]:
    """Return the indices within each part of rows that rounding has not made equal to a row of an earlier part.

    Args:
        keys: a value for each rounded row of all parts in turn, equal for equal rows, shape (n,).
        y: labels of each part's rows, shape (n,).
        notes: notes to extend by the number of removed rows.
    """
    dropped: list[str] = []
    kept = find_distinct(keys, np.concatenate(y), dropped)
    notes += [f"rounded to float32: {note}" for note in dropped]
    ends = np.cumsum([len(part) for part in y])
    parts = np.split(kept, np.searchsorted(kept, ends[:-1]))
    return [part - first for part, first in zip(parts, [0, *ends[:-1]], strict=True)]


def _note_gathered(rows: int) -> list[str]:
    """Return a note that what needs all training rows in memory gets a sample of them, if there are too many."""
    if rows <= MOST_GATHERED:
        return []
    said = f"{MOST_GATHERED:,} of the {rows:,} training rows"
    return [f"the rows are on disk: whatever needs them in memory, such as PCA or kNN, gets {said}"]


def _part(arrays: Mapping[str, np.ndarray], name: str, classes: int) -> Part:
    """Build one part from stored arrays.

    Raises:
        ValueError: there are no rows, or the arrays are not as `prepare` writes them.
    """
    x = require_array(arrays, f"{name}_x", np.float32)
    if x.ndim not in (2, 4) or not x.size:
        raise ValueError(f"{name}_x has shape {list(x.shape)}, rows of a table or of images are needed")
    return Part(x, require_array(arrays, f"{name}_y", np.int64, (len(x),), low=0, high=classes - 1))


def _refuse_inconsistent(rows: Rows) -> None:
    """Reject parts that do not fit together or do not match their description.

    Raises:
        ValueError: the parts do not fit; the message says why.
    """
    for name in PARTS[1:]:
        require_shape(getattr(rows, name).x, f"{name}_x", (None, *rows.shape))
    if rows.features and rows.shape != (len(rows.features),):
        raise ValueError(f"there are {len(rows.features)} features in about.json for rows of shape {list(rows.shape)}")
    if len(set(rows.labels)) < len(rows.labels):
        raise ValueError(f"labels in about.json repeat: {', '.join(rows.labels)}")
    if rows.one_class and (rows.labels != ["normal", "anomaly"] or set(np.unique(rows.test.y)) != {0, 1}):
        raise ValueError("a one-class split needs the labels normal and anomaly, and both of them in test_y")
    if rows.one_class and (strays := [name for name in PARTS[:3] if getattr(rows, name).y.any()]):
        raise ValueError(f"{strays[0]}_y holds anomalies, which are for the test alone")


def _note_missing_classes(parts: list[np.ndarray], labels: list[str]) -> list[str]:
    """Return a note for each part that lacks classes."""
    notes = []
    for part, y in zip(PARTS, parts, strict=True):
        if lacking := [label for place, label in enumerate(labels) if place not in y]:
            count = f"{len(lacking)} of the {len(labels)} classes"
            notes.append(f"the part {part} has no row of {count}: {shorten(lacking)}")
    return notes
