"""The folder of a sweep, and the list of the cells that were asked for in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file
from veilbench.workflow.cells.cell import Cell
from veilbench.workflow.cells.engine import Refused
from veilbench.workflow.job import write_text

FILE = "cells.json"


class SweepFolder:
    """The folder of a sweep.

    `cells.json` lists the cells that were ever asked for in this folder. If settings or code have changed since, the
    cell with the same overrides takes the place of the earlier one, whose record stays on disk.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / FILE

    @contextmanager
    def listing(self, cells: Sequence[Cell]) -> Iterator[float]:
        """Add cells to the list; if the block raises `Refused`, the folder is left as it was.

        Yields:
            When the list was written, in seconds since 1970 by the clock of its file system.

        Raises:
            UserError: the folder cannot be written, or its list is damaged.
        """
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        earlier = self.file.read_bytes() if self.file.is_file() else None
        self.add(cells)
        written = self.file.read_bytes()
        try:
            yield self.file.stat().st_mtime
        except Refused:
            self._restore(earlier, written)
            with suppress(OSError):  # it holds something else
                for folder in new:
                    folder.rmdir()
            raise

    def _restore(self, earlier: bytes | None, written: bytes) -> None:
        with lock_file(self.file) as file:
            if file.read_bytes() != written:  # another process has added cells
                return
            if earlier is None:
                file.unlink()
                file.with_name(f".{file.name}.lock").unlink()  # waiting processes create a new one
            else:
                file.write_bytes(earlier)

    def add(self, cells: Sequence[Cell]) -> None:
        """Add cells to the list.

        Raises:
            UserError: the folder cannot be written, or its list is damaged.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot use {self.path}: {error.strerror}") from error
        with lock_file(self.file):
            listed = self.cells() if self.file.is_file() else []
            write_text(self.file, json.dumps([_describe(cell) for cell in _merge(listed, cells)], indent=1) + "\n")

    def cells(self) -> list[Cell]:
        """Return the cells that were asked for, in that order.

        Raises:
            UserError: the folder holds no sweep, or its list is damaged.
        """
        if not self.file.is_file():
            raise UserError(f"{self.path} is no folder of a sweep: there is no {FILE} in it")
        try:
            entries = json.loads(self.file.read_text(encoding="utf8"))
            return [_read(self.path, entry) for entry in entries]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.file} is damaged: {error!r}; run the sweep again without this file") from error

    def find(self, overrides: Iterable[str]) -> tuple[int, Cell]:
        """Return the cell that some overrides describe, with its position in the list.

        Raises:
            LookupError: the cell is not in the list.
        """
        wanted = sorted(overrides)
        for number, cell in enumerate(self.cells()):
            if sorted(cell.overrides) == wanted:
                return number, cell
        raise LookupError(f"{self.file} has no cell {' '.join(wanted)}")


def _merge(listed: Sequence[Cell], added: Sequence[Cell]) -> list[Cell]:
    """Return cells without those that an added one replaces: the same record, or the same overrides."""
    cells = {cell.name: cell for cell in listed}
    names = {tuple(sorted(cell.overrides)): cell.name for cell in listed}
    for cell in added:
        if (earlier := names.get(tuple(sorted(cell.overrides)), cell.name)) != cell.name:
            cells.pop(earlier, None)
        known = cells.get(cell.name)
        cells[cell.name] = cell if cell.seconds is not None or known is None else replace(cell, seconds=known.seconds)
    return list(cells.values())


def _describe(cell: Cell) -> dict[str, object]:
    return {"name": cell.name, "label": cell.label, "overrides": list(cell.overrides), "seconds": cell.seconds}


def _read(sweep: Path, entry: dict[str, object]) -> Cell:
    name, overrides, seconds = entry["name"], entry["overrides"], entry["seconds"]
    if not isinstance(name, str) or Path(name).name != name or not isinstance(overrides, list):
        raise ValueError(f"name={name!r}, overrides={overrides!r}")
    if seconds is not None and not isinstance(seconds, int | float):
        raise ValueError(f"seconds={seconds!r}")
    return Cell(sweep, name, tuple(map(str, overrides)), str(entry["label"]), seconds)
