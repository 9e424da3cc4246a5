"""Rows of numbers with labels: tables, signals and images, read by a loader and dealt into parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from annotated_types import Ge
from safetensors.numpy import load_file, save_file

from veilbench.errors import UserError

PARTS = ("train", "validation", "auxiliary", "test")
FILES = ("rows.safetensors", "about.json")


@dataclass(frozen=True)
class Raw:
    """What a loader reads.

    Attributes:
        x: shape (n, features) or (n, channels, height, width), float32; images in [0, 1].
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


@dataclass(frozen=True)
class Part:
    """Rows of one part: x of shape (n, *shape), float32; y of shape (n,), int64."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Rows:
    """A data set, dealt. No row is in two parts.

    Attributes:
        train: what a model learns from.
        validation: what it is stopped and its thresholds are set by.
        auxiliary: what attackers have.
        test: what everything is measured on.
        features: names of a table's columns; empty for images.
        labels: names of the classes; where `one_class`, these are "normal" and "anomaly".
        one_class: whether all parts but the test hold normal rows only.
        notes: what was done to the data.
    """

    train: Part
    validation: Part
    auxiliary: Part
    test: Part
    features: list[str]
    labels: list[str]
    one_class: bool
    notes: list[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return tuple(self.train.x.shape[1:])


class RowsData:
    """A source's rows without duplicates, shuffled, dealt into four parts, scaled by what the first one shows.

    Args:
        source: the loader or generator.
        split: shares of train, validation, auxiliary and test; together 1.
        scale: `none`; `minmax` to [0, 1] over the training part (test rows may lie outside); `standard` to mean 0 and
            variance 1. Constant columns become 0 either way, and are named in the notes.
        normal: labels that count as normal. The first three parts then hold normal rows only, and the test holds its
            share of the normal rows and every other row as an anomaly. Empty: no one-class split.
        most_rows: take a random part of the source's rows, at most this many; None takes all.
        seed: generates, shuffles and deals.
    """

    def __init__(
        self,
        source: Source,
        split: Sequence[float] = (0.5, 0.1, 0.2, 0.2),
        scale: Literal["none", "minmax", "standard"] = "none",
        normal: Sequence[str] = (),
        most_rows: Annotated[int, Ge(4)] | None = None,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        if len(split) != 4 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"split={list(split)} must be four positive shares that make 1: {', '.join(PARTS)}")
        self.source, self.split, self.scale = source, list(split), scale
        self.normal, self.most_rows, self.seed = list(normal), most_rows, seed

    def prepare(self, folder: Path) -> None:
        """Read or generate, and write rows.safetensors and about.json.

        Raises:
            UserError: the rows cannot be used as they are; the line says which and why.
        """
        rng = np.random.default_rng(self.seed)
        raw = self.source.read(rng)
        checked(raw)
        notes = list(raw.notes)
        x, y = distinct(raw.x, raw.y, notes)
        if self.most_rows and len(x) > self.most_rows:
            notes.append(f"{self.most_rows:,} of {len(x):,} distinct rows taken at random")
        order = rng.permutation(len(x))[: self.most_rows]
        x, y, labels = x[order], y[order], list(raw.labels)
        if self.normal:
            y, labels = (~np.isin(y, self._normal_places(labels))).astype(np.int64), ["normal", "anomaly"]
        parts = self._deal(x, y)
        scaled = self._scaled([x[rows] for rows in parts], raw.features, notes)
        arrays = {f"{name}_x": part for name, part in zip(PARTS, scaled, strict=True)}
        arrays |= {f"{name}_y": y[rows] for name, rows in zip(PARTS, parts, strict=True)}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILES[0])
        about = {"features": raw.features, "labels": labels, "one_class": bool(self.normal), "notes": notes}
        (folder / FILES[1]).write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")

    def _normal_places(self, labels: list[str]) -> list[int]:
        if unknown := [name for name in self.normal if name not in labels]:
            raise UserError(f"data.normal={unknown[0]} is no label of this data; there are: {', '.join(labels)}")
        if set(labels) <= set(self.normal):
            raise UserError(f"data.normal={self.normal} leaves no anomaly: the labels are {', '.join(labels)}")
        return [labels.index(name) for name in self.normal]

    def _deal(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Row numbers of each part; with a one-class split the anomalies all go to the test."""
        dealt = np.flatnonzero(y == 0) if self.normal else np.arange(len(x))
        ends = np.round(np.cumsum(self.split) * len(dealt)).astype(int)
        parts = np.split(dealt, ends[:-1])
        if self.normal:
            parts[3] = np.sort(np.concatenate([parts[3], np.flatnonzero(y != 0)]))
        if empty := [name for name, part in zip(PARTS, parts, strict=True) if not len(part)]:
            raise UserError(f"the part {empty[0]} has no rows: {len(dealt)} rows dealt as {self.split}")
        return parts

    def _scaled(self, parts: list[np.ndarray], features: list[str], notes: list[str]) -> list[np.ndarray]:
        train = parts[0]
        low, high = train.min(0), train.max(0)
        if features and (still := [name for name, c in zip(features, low == high, strict=True) if c]):
            shown = ", ".join(still[:5]) + (", ..." if len(still) > 5 else "")
            notes.append(f"{len(still)} columns are constant in the training rows and carry nothing: {shown}")
        if self.scale == "none":
            return parts
        shift, width = (low, high - low) if self.scale == "minmax" else (train.mean(0), train.std(0))
        width = np.where(low == high, np.inf, width)
        return [((part - shift) / width).astype(np.float32) for part in parts]

    def load(self, folder: Path) -> Rows:
        """Read what `prepare` wrote.

        Raises:
            UserError: a file is missing.
        """
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise UserError(f"the prepared data lacks {folder / missing[0]}; run `dvc repro prepare`")
        about = json.loads((folder / FILES[1]).read_text(encoding="utf8"))
        arrays = load_file(folder / FILES[0])
        train, validation, auxiliary, test = (Part(arrays[f"{name}_x"], arrays[f"{name}_y"]) for name in PARTS)
        return Rows(train, validation, auxiliary, test, **about)


def checked(raw: Raw) -> None:
    """Refuse rows that no model can learn from.

    Raises:
        UserError: wrong shapes, values that are not finite, or a label without rows.
    """
    if raw.x.ndim not in (2, 4) or len(raw.x) != len(raw.y) or not len(raw.x):
        raise UserError(
            f"rows of shape {raw.x.shape} with {len(raw.y)} labels: (n, features) or (n, c, h, w) is needed"
        )
    if raw.features and len(raw.features) != raw.x.shape[1]:
        raise UserError(f"{len(raw.features)} names for {raw.x.shape[1]} columns")
    if len(wrong := np.argwhere(~np.isfinite(raw.x))):
        row, column = int(wrong[0][0]), int(wrong[0][1])
        name = raw.features[column] if raw.features else f"place {column}"
        raise UserError(f"{len(wrong)} values are not finite; the first is in row {row}, column {name}")
    counts = np.bincount(raw.y, minlength=len(raw.labels))
    if len(counts) > len(raw.labels):
        raise UserError(f"label number {len(counts) - 1} has no name; there are: {', '.join(raw.labels)}")
    if not counts.all():
        raise UserError(f"the class {raw.labels[int(np.argmin(counts))]} has no rows")


def distinct(x: np.ndarray, y: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The rows without repeats, in the order of their first appearance; repeats are counted in the notes.

    A row that appears with two labels is kept once, with its first label, and counted too.
    """
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    keys = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
    _, first, where = np.unique(keys, return_index=True, return_inverse=True)
    if (dropped := len(x) - len(first)) > 0:
        two_labels = int((y != y[first][where]).sum())
        notes.append(f"{dropped:,} repeated rows dropped, {two_labels:,} of them with another label than the first")
    keep = np.sort(first)
    return x[keep], y[keep]
