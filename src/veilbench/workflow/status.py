"""Says how far a sweep is: cells that are done, running, failed or missing, and about how long the rest takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.workflow.cells.cell import Cell, Failure
from veilbench.workflow.cells.claim import Claim, Claims
from veilbench.workflow.cells.costs import describe_time, format_seconds
from veilbench.workflow.cells.said import describe_failure
from veilbench.workflow.cells.sweep_folder import SweepFolder
from veilbench.workflow.usage import USAGES


@dataclass(frozen=True)
class Status:
    """The cells of a sweep by what has become of them.

    Attributes:
        done: cells with a record.
        running: cells that a process computes.
        failed: cells without a record whose last attempt failed.
        missing: cells that nobody has begun, or whose process was killed.
    """

    done: list[Cell] = field(default_factory=list)
    running: list[tuple[Cell, Claim]] = field(default_factory=list)
    failed: list[tuple[Cell, Failure]] = field(default_factory=list)
    missing: list[Cell] = field(default_factory=list)

    def seconds_left(self, now: float) -> list[float | None]:
        """Return an estimate for each cell that is running or missing, None if it is not known.

        Args:
            now: the time, in seconds since 1970.
        """
        times = [computed.seconds for cell in self.done if (computed := cell.computed())]
        usual = sum(times) / len(times) if times else None

        def left(cell: Cell, age: float) -> float | None:
            whole = cell.seconds if cell.seconds is not None else usual
            return None if whole is None else max(0.0, whole - age)

        running = [left(cell, now - claim.began) for cell, claim in self.running]
        return [*running, *(left(cell, 0.0) for cell in self.missing)]


def main(arguments: list[str]) -> None:
    """Print how far a sweep is, and a line for each cell that runs or has failed; see `veilbench status --help`.

    Args:
        arguments: folder of the sweep.

    Raises:
        UserError: there is not one argument, or it is no folder of a sweep.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError(USAGES["status"].line)
    print("\n".join(describe(read_status(Path(arguments[0])), time.time())))


def read_status(folder: Path) -> Status:
    """Read what has become of the cells of a sweep.

    Raises:
        UserError: it is no folder of a sweep.
    """
    status, claims = Status(), Claims(folder)
    for cell in SweepFolder(folder).cells():
        if claim := claims.find(cell.name):
            status.running.append((cell, claim))
        elif cell.is_complete():
            status.done.append(cell)
        elif failure := cell.failure():
            status.failed.append((cell, failure))
        else:
            status.missing.append(cell)
    return status


def describe(status: Status, now: float) -> list[str]:
    """Return the lines about a sweep; the first one has the numbers of cells."""
    counts = [f"{name} {len(getattr(status, name))}" for name in ("done", "running", "failed", "missing")]
    left = status.seconds_left(now)
    time_left = f"; {describe_time(left, len(status.running))} left" if left else ""
    running = [f"running: {cell.label}; {_describe_claim(claim, now)}" for cell, claim in status.running]
    failed = [f"failed: {describe_failure(cell, failure)}" for cell, failure in status.failed]
    return [", ".join(counts) + time_left, *running, *failed]


def _describe_claim(claim: Claim, now: float) -> str:
    return f"on {claim.host} for {format_seconds(now - claim.began)}"
