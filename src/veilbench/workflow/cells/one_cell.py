"""Computes one cell and says what became of it; whatever goes wrong is the failure of this cell alone."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable

from veilbench.bench.errors import format_error
from veilbench.workflow.cells.cell import Cell, Failure
from veilbench.workflow.cells.work import Outcome, note_failure


def run_one(number: int, cell: Cell, compute: Callable[[], Outcome]) -> Outcome:
    """Compute a cell, and print a line on stderr when it is done or has failed.

    Args:
        number: position of the cell in the sweep's list.
        cell: the cell.
        compute: computes it; an exception becomes the cell's failure.
    """
    started = time.perf_counter()
    try:
        outcome = compute()
    except Exception as error:
        note_failure(cell, Failure(format_error(error) or type(error).__name__, time.time(), socket.gethostname()))
        outcome = Outcome.FAILED
    print_outcome(number, cell, outcome, time.perf_counter() - started)
    return outcome


def print_outcome(number: int, cell: Cell, outcome: Outcome, seconds: float) -> None:
    """Print a line on stderr if a cell was computed or has failed."""
    if outcome is Outcome.DONE:
        _print_line(number, cell, f"{seconds:.0f} s")
    elif outcome is Outcome.FAILED and (failure := cell.failure()):
        _print_line(number, cell, f"failed: {failure.reason}")


def _print_line(number: int, cell: Cell, text: str) -> None:
    print(f"job {number}: {cell.label}  {text}", file=sys.stderr, flush=True)
