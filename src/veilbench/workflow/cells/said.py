"""What a sweep says before it starts and after it has ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from veilbench.workflow.cells.asked import Asked
from veilbench.workflow.cells.cell import LOG, Cell, Failure
from veilbench.workflow.cells.costs import describe_time


def announce(asked: Asked, missing: Sequence[Cell], jobs: int) -> str:
    """Return how many cells there are, how many are there already, and about how long the others take.

    Args:
        asked: all cells of the sweep.
        missing: those that are to be computed, with estimates of their time.
        jobs: number of cells that are computed at the same time.
    """
    count, there = len(asked.cells), len(asked.cells) - len(missing)
    said = f"{count} cell{'s' * (count != 1)} in {shorten(asked.folder)}: {there} there already"
    if not missing:
        return said
    beside = f", {jobs} at a time" if jobs > 1 else ""
    return f"{said}, {len(missing)} to compute{beside}; {describe_time([cell.seconds for cell in missing], jobs)}"


def print_failures(failed: Sequence[tuple[Cell, Failure]], count: int) -> None:
    """Print a line for each cell that failed: what it is, why, and where its log is.

    Args:
        failed: cells with their failures.
        count: number of all cells of the sweep.
    """
    if failed:
        print(f"{len(failed)} of {count} cells failed:", file=sys.stderr)
    for cell, failure in failed:
        print(describe_failure(cell, failure), file=sys.stderr)


def describe_failure(cell: Cell, failure: Failure) -> str:
    """Return one line: the cell, the reason, the number of attempts if there were several, and the log."""
    tries = f" ({failure.attempts} attempts)" if failure.attempts > 1 else ""
    log = cell.folder / LOG
    return f"{cell.label}: {failure.reason}{tries}" + (f"; log: {shorten(log)}" if log.is_file() else "")


def shorten(path: Path) -> Path:
    """Return a path relative to the working folder, if it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
