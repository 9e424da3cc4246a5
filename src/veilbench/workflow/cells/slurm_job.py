"""The part of `sweep=slurm` that runs in a job of Slurm: one cell, in the shared folder of the sweep."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from veilbench.bench.experiment import Config
from veilbench.workflow.cells.attempt import Limits, run_here
from veilbench.workflow.cells.cell import Cell
from veilbench.workflow.cells.claim import FRESH
from veilbench.workflow.cells.elsewhere import check_digests, count_neighbours
from veilbench.workflow.cells.one_cell import run_one
from veilbench.workflow.cells.work import Outcome, work

POLL = 2.0  # seconds between two attempts to claim the cell
SIGNALLED = 10.0  # seconds within which a signal that Slurm sends to all processes of a job has reached each


@dataclass(frozen=True)
class SlurmJob:
    """Computes a cell; submitit calls it on the node that Slurm chooses.

    Attributes:
        limits: how the cell is computed.
        cpus: number of CPUs that it has.
    """

    limits: Limits
    cpus: int

    def __call__(self, number: int, cell: Cell, config: Config) -> str:
        """Compute a cell.

        A job that was queued again may find the claim of its own earlier run, on a machine that is gone. So it tries
        until that claim is too old. SIGTERM announces that the job will be killed; a stage may be complete by then.

        Args:
            number: position of the cell in the sweep's list.
            cell: the cell.
            config: its resolved experiment.

        Returns:
            The value of an `Outcome`.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # also of the process that computes the cell
        limits = replace(self.limits, jobs=count_neighbours(self.cpus))

        def compute() -> Outcome:
            check_digests(config)
            deadline = time.monotonic() + FRESH + POLL
            while (outcome := work(cell, config, limits, _run)) is Outcome.HELD and time.monotonic() < deadline:
                time.sleep(POLL)
            return outcome

        return run_one(number, cell, compute).value

    def checkpoint(self, *arguments: Any) -> Any:
        """Return what runs when the job starts again after it ran out of time: the same, as its stages are kept."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def _run(folder: Path, sweep: Path, limits: Limits, renew: Callable[[], None]) -> int | None:
    """Compute a cell once; see `attempt.run_here`."""
    status = run_here(folder, sweep, limits, renew)
    if status in (-signal.SIGUSR1, -signal.SIGUSR2):  # the time is over, and submitit will say so in this process
        time.sleep(SIGNALLED)
    return status
