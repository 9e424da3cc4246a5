"""`sweep=slurm`: each cell is a job of Slurm, all nodes share the sweep's folder, and this process waits for the jobs.

Jobs go on if this process ends: the same command then waits for those that are still in the queue.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.limits import Natural, Parallel, Positive, Real
from veilbench.workflow.cells.asked import Asked
from veilbench.workflow.cells.attempt import Limits
from veilbench.workflow.cells.cell import Cell, Failure
from veilbench.workflow.cells.engine import Engine, Refused, Send
from veilbench.workflow.cells.one_cell import print_outcome
from veilbench.workflow.cells.slurm_job import SlurmJob
from veilbench.workflow.cells.slurm_queue import ENDED, read_queue
from veilbench.workflow.cells.work import Outcome, note_failure, publish
from veilbench.workflow.job import write_text

FOLDER = ".submitit"  # below the sweep's folder
POLL = 5.0  # seconds between two looks at the queue
SHOWN = 30.0  # seconds after which all machines see what a job has written
LONGEST_ARRAY = 1_000  # jobs; Slurm's default allows one more
Minutes = Annotated[int, Ge(1), Le(525_600)]
Gpus = Annotated[int, Ge(0), Le(1_024)]


@dataclass(frozen=True)
class OnSlurm(Engine):
    """What Slurm reserves for each cell.

    Attributes:
        partition: name of the partition; None for the cluster's default.
        time_min: minutes after which Slurm stops a cell, which is queued again and goes on from its last stage.
        mem_gb: memory in GiB; None for the cluster's default.
        cpus: number of CPUs.
        gpus: number of GPUs.
        array_parallelism: number of cells at a time.
        requeues: number of times that a cell may run out of time.
        wait: whether to wait for the cells.
        sbatch: more options of sbatch, by their long names.
    """

    partition: str | None
    time_min: Minutes
    mem_gb: Positive | None
    cpus: Parallel
    gpus: Gpus
    array_parallelism: Parallel
    requeues: Natural
    wait: bool
    sbatch: dict[str, str | Natural | Real | bool]

    @contextmanager
    def start(self, asked: Asked, limits: Limits) -> Iterator[Send]:
        """Submit jobs within the block; see `Engine.start`."""
        yield partial(self._send, asked, limits)

    def _make_executor(self, sweep: Path) -> Any:
        """Return what submits one array of jobs; it writes into a folder of its own."""
        try:
            from submitit import SlurmExecutor
        except ImportError as error:
            raise UserError(
                "sweep=slurm needs submitit, which is not installed: pip install 'veilbench[slurm]'"
            ) from error
        gpus = {"gpus_per_node": self.gpus} if self.gpus else {}
        memory = {"mem": f"{round(self.mem_gb * 1024)}MB"} if self.mem_gb else {}
        partition = {"partition": self.partition} if self.partition else {}
        try:
            executor = SlurmExecutor(sweep / FOLDER / secrets.token_hex(4), max_num_timeout=self.requeues)
            executor.update_parameters(
                job_name=sweep.name, time=self.time_min, cpus_per_task=self.cpus, stderr_to_stdout=True,
                array_parallelism=self.array_parallelism, additional_parameters=dict(self.sbatch),
                signal_delay_s=min(90, self.time_min * 10), **gpus, **memory, **partition,
            )  # fmt: skip
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(f"Slurm cannot be used: {format_error(error)}") from error
        return executor

    def _send(self, asked: Asked, limits: Limits, cells: Sequence[Cell]) -> tuple[list[Outcome | None], str]:
        """Submit the cells that no job in the queue computes already, and wait for all of them.

        Raises:
            UserError: Slurm refuses them; `Refused` if none was sent before.
        """
        notes = {cell.name: asked.folder / FOLDER / f"{cell.name}.job" for cell in cells}
        queue = read_queue() or {}
        new = [cell for cell in cells if queue.get(_read(notes[cell.name]), "COMPLETED") in ENDED]
        numbers = {cell.name: number for number, cell in enumerate(asked.cells)}
        task = SlurmJob(limits, self.cpus)
        for first in range(0, len(new), LONGEST_ARRAY):
            some = new[first : first + LONGEST_ARRAY]
            try:
                jobs = _submit(self._make_executor(asked.folder), task, some, asked, numbers)
            except UserError as error:
                sent = any(path.is_file() for path in notes.values())
                raise error if sent else Refused(str(error)) from error
            for cell, job in zip(some, jobs, strict=True):
                write_text(notes[cell.name], job)
        _say(cells, new, [_read(path) for path in notes.values()])
        if not self.wait:
            return [Outcome.QUEUED] * len(cells), ""
        began = {name: path.stat().st_mtime for name, path in notes.items()}
        waiting = _Waiting({name: _read(path) for name, path in notes.items()}, began, limits.since)
        ended: dict[str, Outcome] = {}
        while left := [cell for cell in cells if cell.name not in ended]:
            for cell in waiting.find_ended(left):
                ended[cell.name] = Outcome.DONE if cell.is_complete(limits.since) else Outcome.FAILED
                publish(cell, asked.configs[cell.name])  # if the node could not
                computed = cell.computed()
                print_outcome(numbers[cell.name], cell, ended[cell.name], computed.seconds if computed else 0.0)
            if len(ended) < len(cells):
                time.sleep(POLL)
        return [ended[cell.name] for cell in cells], ""


class _Waiting:
    """Waits for jobs.

    Args:
        jobs: ids of jobs by the names of their cells.
        began: when each was submitted, by the clock of the folder's file system, in seconds since 1970.
        since: records that are older do not count.
    """

    def __init__(self, jobs: dict[str, str], began: dict[str, float], since: float) -> None:
        self.jobs, self.began, self.since = jobs, began, since
        self.gone: dict[str, float] = {}

    def find_ended(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that have a record or a failure; a job that ended with neither gives a failure."""
        queue = read_queue()
        for cell in cells:
            state = None if queue is None else queue.get(self.jobs[cell.name], "unknown")
            if self._has_ended(cell) or state not in (*ENDED, "unknown"):
                self.gone.pop(cell.name, None)
            elif time.monotonic() - self.gone.setdefault(cell.name, time.monotonic()) > SHOWN:
                reason = f"job {self.jobs[cell.name]} of Slurm ended without a record: {state}"
                note_failure(cell, Failure(reason, time.time(), socket.gethostname()))
        return [cell for cell in cells if self._has_ended(cell)]

    def _has_ended(self, cell: Cell) -> bool:
        return cell.is_complete(self.since) or cell.failure(self.began[cell.name]) is not None


def _submit(executor: Any, task: SlurmJob, cells: Sequence[Cell], asked: Asked, numbers: dict[str, int]) -> list[str]:
    """Submit an array of jobs, and return their ids.

    Raises:
        UserError: Slurm refuses it. Nothing of it is left then.
    """
    configs = [asked.configs[cell.name] for cell in cells]
    try:
        jobs = executor.map_array(task, [numbers[cell.name] for cell in cells], list(cells), configs)
    except Exception as error:  # submitit raises errors of many kinds
        shutil.rmtree(executor.folder, ignore_errors=True)
        with suppress(OSError):  # it holds earlier jobs
            executor.folder.parent.rmdir()
        raise UserError(f"Slurm refuses the cells: {format_error(error)}") from error
    return [str(job.job_id) for job in jobs]


def _say(cells: Sequence[Cell], new: Sequence[Cell], jobs: Sequence[str]) -> None:
    names = ", ".join(dict.fromkeys(job.partition("_")[0] for job in jobs))
    queued = f", {len(cells) - len(new)} are queued already" if len(new) < len(cells) else ""
    print(f"{len(new)} cells sent to Slurm{queued} (job {names})", file=sys.stderr, flush=True)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf8").strip() if path.is_file() else ""
