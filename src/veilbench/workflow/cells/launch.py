"""Computes the missing cells of a sweep by an engine or Hydra's launchers, and waits for those that others compute."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.experiment import Config, build_as
from veilbench.workflow.arguments import OWN_LAUNCHERS
from veilbench.workflow.cells.asked import Asked, make_launcher
from veilbench.workflow.cells.attempt import Limits
from veilbench.workflow.cells.cell import Cell, Failure, make_cell
from veilbench.workflow.cells.claim import Claims
from veilbench.workflow.cells.compute import trains_alone
from veilbench.workflow.cells.engine import Engine, Send
from veilbench.workflow.cells.one_cell import run_one
from veilbench.workflow.cells.sweep_folder import SweepFolder
from veilbench.workflow.cells.work import Outcome, note_failure, work
from veilbench.workflow.compose import plain, read_overrides
from veilbench.workflow.fork_server import start_server

AT_ONCE = 20  # cells for each worker in one call of a launcher, which keeps their configurations until it returns
POLL = 1.0  # seconds between two looks at cells that other processes compute
LOCAL = ("hydra._internal.core_plugins.basic_launcher.", "hydra_plugins.hydra_joblib_launcher.")


@contextmanager
def start(asked: Asked, cells: Sequence[Cell], limits: Limits, launcher: Any) -> Iterator[Send]:
    """Start what computes cells, or connect to it, within the block.

    Args:
        asked: the sweep.
        cells: its cells that are missing.
        limits: how they are computed.
        launcher: settings of Hydra's launcher, or of an engine.

    Raises:
        UserError: it cannot be started or reached.
    """
    if cells and (engine := read_engine(launcher)):
        with engine.start(asked, limits) as send:
            yield send
        return
    with _serve(launcher, [asked.configs[cell.name] for cell in cells]):
        yield partial(_launch, asked, limits)


def run_cells(asked: Asked, cells: Sequence[Cell], limits: Limits, send: Send, began: float) -> None:
    """Compute cells, each once; returns when each is complete, has failed or is queued.

    Args:
        asked: the sweep.
        cells: its cells that are missing.
        limits: how they are computed.
        send: computes them, see `start`.
        began: time of the sweep's start by the clock of its file system; earlier failures do not count.

    Raises:
        Refused: what should compute them takes none.
    """
    claims, todo = Claims(asked.folder), list(cells)
    while todo:
        outcomes, lost = send(todo)
        if Outcome.QUEUED in outcomes:
            return
        for cell, outcome in zip(todo, outcomes, strict=True):
            if outcome is None and not _has_ended(cell, limits.since, began) and not claims.find(cell.name):
                note_failure(cell, Failure(lost, time.time(), socket.gethostname()))
        todo = _wait(cells, claims, limits.since, began)


def count_jobs(launcher: Any, cells: int) -> int:
    """Return the number of cells that this machine computes at the same time.

    Args:
        launcher: settings of an engine or of Hydra's launcher; joblib's `n_jobs` counts, where -1 is one for each core.
        cells: number of cells that are to be computed.

    Raises:
        UserError: the settings of an engine are wrong.
    """
    if engine := read_engine(launcher):
        return engine.count_jobs(cells)
    asked = int(launcher.get("n_jobs") or 1)
    return max(1, min(cells, asked if asked > 0 else (os.cpu_count() or 1) + 1 + asked))


def note_few_devices(launcher: Any, configs: Sequence[Config]) -> str:
    """Return one line if cells train on more devices than an engine gives them; otherwise an empty text.

    Args:
        launcher: settings of an engine or of Hydra's launcher.
        configs: resolved experiments of the cells that are to be computed.
    """
    if (engine := read_engine(launcher)) is None:
        return ""
    for config in configs:
        wanted, on = config["trainer"].get("devices", "auto"), config["trainer"].get("accelerator", "auto")
        gpus = on in ("gpu", "cuda") or (on == "auto" and engine.gpus > 0)
        name, given = ("gpus", engine.gpus) if gpus else ("cpus", engine.cpus)
        if isinstance(wanted, int) and wanted > given:
            return (
                f"trainer.devices={wanted} starts {wanted} processes for a cell, which gets {given} of the {name}: set "
                f"hydra.launcher.{name}={wanted}"
            )
    return ""


def read_engine(launcher: Mapping[str, Any]) -> Engine | None:
    """Return the engine that settings describe; None if they are those of Hydra's launcher.

    Raises:
        UserError: a setting is unknown, or its value is not allowed.
    """
    if launcher.get("_target_") not in OWN_LAUNCHERS:
        return None
    node = OmegaConf.to_container(launcher, resolve=True) if OmegaConf.is_config(launcher) else dict(launcher)
    return build_as(Engine, node, "hydra.launcher")  # type: ignore[arg-type]


def _serve(launcher: Any, configs: Sequence[Config]) -> AbstractContextManager[None]:
    """Serve forks for cells on this machine: each saves the seconds in which libraries are imported.

    Cells that train in several processes get none: Lightning starts the script of the process again.
    """
    local = launcher["_target_"].startswith(LOCAL)
    return start_server() if local and all(map(trains_alone, configs)) and len(configs) > 1 else nullcontext()


def _wait(cells: Sequence[Cell], claims: Claims, since: float, began: float) -> list[Cell]:
    """Return the cells that have not ended and that no other process computes; wait until there are some."""
    said = False
    while left := [cell for cell in cells if not _has_ended(cell, since, began)]:
        if free := [cell for cell in left if not claims.find(cell.name)]:
            return free
        if not said:
            print(f"waiting for {len(left)} cells that other processes compute", file=sys.stderr, flush=True)
        said = True
        time.sleep(POLL)
    return []


def _has_ended(cell: Cell, since: float, began: float) -> bool:
    return cell.is_complete(since) or cell.failure(began) is not None


def _launch(asked: Asked, limits: Limits, cells: Sequence[Cell]) -> tuple[list[Outcome | None], str]:
    """Send cells to the launcher; returns what became of each, None if that is unknown, and why it is."""
    launcher = make_launcher(asked.words, partial(run_job, asked.folder, limits))
    outcomes, lost, at_once = list[Outcome | None](), "", AT_ONCE * limits.jobs
    for first in range(0, len(cells), at_once):
        some = cells[first : first + at_once]
        try:
            returns = launcher.launch([list(cell.overrides) for cell in some], initial_job_idx=first)
            outcomes += [Outcome(one.return_value) for one in returns]
        except Exception as error:  # the worker was killed, or the queue refuses the job
            lost = f"the launcher lost it: {format_error(error) or type(error).__name__}"
            outcomes += [None] * len(some)
    return outcomes, lost


def run_job(sweep: Path, limits: Limits, composed: DictConfig) -> str:
    """Compute the cell of one of Hydra's jobs.

    Args:
        sweep: folder of the sweep.
        limits: how the cell is computed.
        composed: composed configuration of the job.

    Returns:
        The value of an `Outcome`.
    """
    hydra = HydraConfig.get()
    number, cell = SweepFolder(sweep).find(read_overrides(hydra))
    return run_one(number, cell, lambda: _run_listed(cell, composed, dict(hydra.runtime.choices), limits)).value


def _run_listed(cell: Cell, composed: DictConfig, choices: dict[str, Any], limits: Limits) -> Outcome:
    """Compute a cell of the list.

    Raises:
        UserError: this machine has other code or other files than the one that made the list.
    """
    config = plain(composed, choices, cell.overrides)
    if (here := make_cell(cell.sweep, config, cell.overrides).name) != cell.name:
        raise UserError(f"its code, settings or files on {socket.gethostname()} differ: {here} instead of {cell.name}")
    return work(cell, config, limits)
