"""The part of `sweep=ray` that runs on Ray's workers: one attempt at one cell.

A worker that sees the cell's folder works in it. Any other gets the folder as bytes, keeps stages in a folder of its
own machine, and sends the cell's folder back.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.experiment import load
from veilbench.bench.report.records import CELL
from veilbench.workflow.cells.attempt import BAD_INPUT, Limits, run_here
from veilbench.workflow.cells.cell import LOG
from veilbench.workflow.cells.compute import trains_alone
from veilbench.workflow.cells.elsewhere import check_digests, count_neighbours
from veilbench.workflow.cells.packing import pack, unpack
from veilbench.workflow.fork_server import start_server
from veilbench.workflow.forking import SOCKET

IMPORTED = 60.0  # seconds within which a server of forks is expected to be ready; without it a cell takes longer


@dataclass(frozen=True)
class Driver:
    """What the workers of a sweep know about the process that sends them cells.

    Attributes:
        bench: its current folder.
        sweep: folder of the sweep.
        name: names the sweep's folder on machines that do not see the driver's; the same command has the same name.
        cpus: number of CPUs that each cell gets.
        shared: whether workers see its folders; None lets each find out.
        environment: variables that cells get.
    """

    bench: Path
    sweep: Path
    name: str
    cpus: int = 1
    shared: bool | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def own_folder(self) -> Path:
        """Return the folder of this sweep on the machine of a worker."""
        return Path(tempfile.gettempdir()) / f"veilbench-{os.getuid()}" / self.name


def run_attempt(driver: Driver, folder: Path, packed: bytes, limits: Limits) -> tuple[int | None, bytes]:
    """Compute a cell once.

    Args:
        driver: who asks.
        folder: folder of the cell on the driver's machine.
        packed: what is in it, see `pack`.
        limits: how the cell is computed.

    Returns:
        What `attempt.run_here` returns; and the cell's folder afterwards, packed, or no bytes if `folder` was written.
    """
    os.environ.update(driver.environment)
    limits = replace(limits, jobs=count_neighbours(driver.cpus))
    if driver.shared is not False and folder.is_dir():  # its name is random, so that no other machine has one like it
        if driver.bench.is_dir() and Path.cwd() != driver.bench:
            _leave_copy()
            os.chdir(driver.bench)
        return _run(driver, folder, driver.sweep, limits), b""
    if driver.shared:
        raise UserError(f"hydra.launcher.shared=True, but {socket.gethostname()} does not see {folder}")
    with tempfile.TemporaryDirectory(prefix="cell-", dir=_make(driver.own_folder())) as own:
        unpack(packed, Path(own))
        status = _run(driver, Path(own), driver.own_folder(), limits)
        return status, pack(Path(own))


def remove_own_folder(driver: Driver) -> None:
    """Remove what a sweep has left on this machine."""
    own = driver.own_folder()
    shutil.rmtree(own, ignore_errors=True)
    with suppress(OSError):  # other sweeps use it
        own.parent.rmdir()


def _run(driver: Driver, folder: Path, sweep: Path, limits: Limits) -> int | None:
    try:
        config = load(folder / CELL)
        check_digests(config)
    except UserError as error:
        with (folder / LOG).open("a", encoding="utf8") as log:
            log.write(f"\nerror: {format_error(error)}\n")
        return BAD_INPUT
    if trains_alone(config):
        os.environ[SOCKET] = _serve_forks(driver.own_folder())
    else:  # Lightning starts the script of the process again
        os.environ.pop(SOCKET, None)
    return run_here(folder, sweep, limits, lambda: None)


def _leave_copy() -> None:
    """Let nothing be imported from the current folder, where Ray has put a copy of the bench."""
    here = os.getcwd()  # noqa: PTH109 - Ray names it by this text
    sys.path[:] = [path for path in sys.path if path != here]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path != here)


@cache
def _serve_forks(folder: Path) -> str:
    """Start this worker's server of forks, which ends with it, and return the path of its socket.

    The first cell waits for it: otherwise each worker would import libraries twice, on cores that others need.
    """
    stack = ExitStack()
    stack.enter_context(start_server(_make(folder)))
    atexit.register(stack.close)
    deadline = time.monotonic() + IMPORTED
    while not Path(os.environ[SOCKET]).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return os.environ[SOCKET]


def _make(folder: Path) -> Path:
    """Create a folder that only this user can enter; what is in it is trusted.

    Raises:
        UserError: the folder above belongs to somebody else.
    """
    above = folder.parent
    above.mkdir(mode=0o700, parents=True, exist_ok=True)
    if above.is_symlink() or above.stat().st_uid != os.getuid():
        raise UserError(f"{above} on {socket.gethostname()} belongs to another user: set TMPDIR to another folder")
    folder.mkdir(exist_ok=True)
    return folder
