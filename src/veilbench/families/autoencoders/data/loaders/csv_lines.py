"""Lines of a text table as Python's csv reads them, to reject what pandas would accept silently."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import IO

from veilbench.bench.errors import UserError


def open_text(path: Path) -> IO[str]:
    """Open a text file in UTF-8, plain or gzipped, without byte-order mark and with line breaks unchanged."""
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def read_header(path: Path, separator: str) -> list[str]:
    """Return the cells of the first line."""
    with open_text(path) as file:
        return next(csv.reader(file, delimiter=separator), [])


def refuse_ragged(path: Path, separator: str) -> None:
    """Reject what pandas would accept silently: ragged lines, unnamed or duplicate columns, a missing header.

    Raises:
        UserError: the file has one of these faults; the message says which, and where.
    """
    with open_text(path) as file:
        lines = csv.reader(file, delimiter=separator)
        header = next(lines, [])
        _refuse_header(path, header)
        for line in lines:
            if line and len(line) != len(header):
                hint = "; is data.source.separator another one?" if len(header) == 1 else ""
                raise UserError(
                    f"{path}: line {lines.line_num} has {len(line)} cells; the header has {len(header)}{hint}"
                )


def _refuse_header(path: Path, header: list[str]) -> None:
    if not header:
        raise UserError(f"{path} is empty; a first line with the names of the columns is needed")
    header = [name.strip() for name in header]
    if "" in header:
        raise UserError(
            f"{path}: column {header.index('') + 1} has no name; a saved row number? Name it or take it out"
        )
    refuse_duplicates(path, header)
    if all(map(_is_number, header)):
        raise UserError(f"{path} begins with numbers; a first line with the names of the columns is needed")


def refuse_duplicates(path: Path, names: list[str]) -> None:
    """Reject duplicate column names.

    Raises:
        UserError: two columns have the same name.
    """
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path} has {names.count(twice[0])} columns called {twice[0]}; one is allowed")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
