"""Computes a cell of a sweep once: claimed by one process, written whole, published, or noted as failed."""

from __future__ import annotations

import socket
import sys
import time
from enum import StrEnum
from threading import Lock

import yaml

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.experiment import Config, build
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.report.records import CELL, OVERRIDES
from veilbench.bench.tracking import NoTracking
from veilbench.families import register_all
from veilbench.workflow.cells.attempt import Limits, Run, attempt
from veilbench.workflow.cells.cell import COMPUTED, FAILURE, LOG, Cell, Computed, Failure
from veilbench.workflow.cells.claim import Claims
from veilbench.workflow.cells.compute import FOLDERS
from veilbench.workflow.job import write_text

PUBLISHING = Lock()  # MLflow's client is made for one thread
UNPUBLISHED = "unpublished"  # in a record that the tracking store may lack
WRITTEN = (CELL, ".hydra", LOG, COMPUTED, FAILURE, UNPUBLISHED, *FOLDERS.values())


class Outcome(StrEnum):
    """What became of a cell."""

    DONE = "done"
    THERE = "there already"
    HELD = "computed by another process"
    FAILED = "failed"
    QUEUED = "queued, and not waited for"


class _CellFailed(Exception):
    """Leaves the block that writes a record; nothing of it is kept but the log."""

    def __init__(self, failure: Failure, log: bytes) -> None:
        self.failure, self.log = failure, log


def work(cell: Cell, config: Config, limits: Limits, run: Run | None = None) -> Outcome:
    """Compute a cell, unless it is complete or another process computes it.

    Args:
        cell: the cell.
        config: its resolved experiment.
        limits: how it is computed.
        run: runs it once; None for a process on this machine.

    Raises:
        UserError: the cell's folder cannot be written.
    """
    claims = Claims(cell.sweep)
    with claims.hold(cell.name) as mine:
        if not mine:
            return Outcome.HELD
        there = cell.is_complete(limits.since)
        try:
            if not there:
                _write(cell, config, limits, claims, run)
        except _CellFailed as error:
            note_failure(cell, error.failure, error.log)
            return Outcome.FAILED
        publish(cell, config)
        return Outcome.THERE if there else Outcome.DONE


def note_failure(cell: Cell, failure: Failure, log: bytes = b"") -> None:
    """Write a failure and the log into the cell's folder. An earlier record in it stays."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    if log:
        (cell.folder / LOG).write_bytes(log)
    failure.write(cell.folder)


def _write(cell: Cell, config: Config, limits: Limits, claims: Claims, run: Run | None) -> None:
    """Compute the record beside its place, and move it there once it is whole.

    Raises:
        _CellFailed: it cannot be computed.
    """
    with write_whole_folder(cell.folder, WRITTEN) as partial:
        (partial / CELL).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf8")
        write_text(partial / OVERRIDES, yaml.safe_dump(list(cell.overrides)))
        began = time.time()
        reason, attempts = attempt(partial, cell.sweep, limits, lambda: claims.renew(cell.name), run)
        if reason:
            failure = Failure(reason, time.time(), socket.gethostname(), attempts)
            raise _CellFailed(failure, (partial / LOG).read_bytes())
        Computed(socket.gethostname(), time.time(), time.time() - began, attempts).write(partial)
        (partial / UNPUBLISHED).touch()


def publish(cell: Cell, config: Config) -> None:
    """Publish a record, unless it is known to be in its store; what fails is said, and the next call tries again."""
    note = cell.folder / UNPUBLISHED
    if not note.exists():
        return
    register_all()
    tracker = build(config["tracking"])
    try:
        with PUBLISHING:
            published = tracker.publish(config, cell.folder)
        if published is not None or isinstance(tracker, NoTracking):
            note.unlink(missing_ok=True)
    except UserError as error:
        print(f"tracking: {format_error(error)}", file=sys.stderr)
