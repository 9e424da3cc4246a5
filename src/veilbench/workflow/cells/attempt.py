"""Starts the process of a cell, again if it crashes, and stops it when it takes too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from veilbench.bench.masking import mask_secrets
from veilbench.workflow.cells.cell import LOG

RENEWED = 5.0  # seconds between two calls of `renew`
LONGEST_REASON = 300  # characters
BAD_INPUT = 2  # exit code; starting again would not help
SOURCE = Path(__file__).parents[3]


@dataclass(frozen=True)
class Limits:
    """How cells are computed; results do not depend on it.

    Attributes:
        timeout: seconds that one attempt may take; None for any time.
        retries: number of times that a cell is started again after it crashed, was killed or took too long.
        since: time in seconds since 1970; records and stages that are older are computed again.
        jobs: number of cells that one machine computes at the same time.
    """

    timeout: float | None = None
    retries: int = 0
    since: float = 0.0
    jobs: int = 1


Run = Callable[[Path, Path, Limits, Callable[[], None]], int | None]  # as `run_here`


def attempt(
    folder: Path, sweep: Path, limits: Limits, renew: Callable[[], None], run: Run | None = None
) -> tuple[str, int]:
    """Compute a cell, as often as the limits allow.

    Args:
        folder: the folder that describes the cell, and takes its stages and its log.
        sweep: folder of the sweep.
        limits: how often it is tried, and for how long.
        renew: called every few seconds while it runs.
        run: runs it once, as `run_here` does; None for `run_here` itself.

    Returns:
        One line that says why the last attempt failed, empty if it succeeded, and the number of attempts.
    """
    for number in range(1, limits.retries + 2):
        status = (run or run_here)(folder, sweep, limits, renew)
        if status == 0:
            return "", number
        if status == BAD_INPUT:
            break
    return _explain(status, folder / LOG, limits), number


def run_here(folder: Path, sweep: Path, limits: Limits, renew: Callable[[], None]) -> int | None:
    """Compute a cell once, in a process of its own on this machine; see `attempt` for the arguments.

    Returns:
        The exit code of the process, below 0 if a signal ended it; None if it took too long.
    """
    paths = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH"))))
    words = [str(folder), str(sweep), str(limits.since), str(limits.jobs)]
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "veilbench.workflow.cells.process", *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,
        )  # fmt: skip
    try:
        return _wait(process, limits.timeout, renew)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
            process.wait()


def _wait(process: subprocess.Popen[bytes], timeout: float | None, renew: Callable[[], None]) -> int | None:
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        try:
            return process.wait(min(left, RENEWED))
        except subprocess.TimeoutExpired:
            renew()
    return None


def _explain(status: int | None, log: Path, limits: Limits) -> str:
    """Return one line that says why a process failed."""
    if status is None:
        return f"took longer than {limits.timeout:g} s"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    lines = [line.strip() for line in log.read_text(encoding="utf8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
    return mask_secrets(said)[:LONGEST_REASON]
