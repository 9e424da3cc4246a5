"""From the command line of a sweep to its cells."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config
from veilbench.bench.stages import RESULTS
from veilbench.workflow.arguments import list_jobs, resolve_job
from veilbench.workflow.cells.cell import Cell, make_cell
from veilbench.workflow.cells.costs import estimate_cells
from veilbench.workflow.cells.stage_store import StageStore
from veilbench.workflow.compose import search_path
from veilbench.workflow.explain import one_line_hydra_errors
from veilbench.workflow.job import MULTIRUN, OUTPUTS
from veilbench.workflow.timing import read_timings

LONGEST_NAME = 60  # characters of a sweep's folder
SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"  # Hydra's own
SUBFOLDER = "."  # Hydra makes no folder for a job: the folder of a cell is named by its digest


@dataclass(frozen=True)
class Asked:
    """The cells that a command line asks for.

    Attributes:
        folder: absolute path of the sweep's folder.
        cells: its cells, each once.
        configs: resolved experiments by the names of their cells.
        words: overrides for Hydra, with `hydra.sweep.dir`.
    """

    folder: Path
    cells: list[Cell]
    configs: dict[str, Config]
    words: list[str]

    def missing(self, since: float) -> list[Cell]:
        """Return the cells without a record that was written after a time in seconds since 1970."""
        return [cell for cell in self.cells if not cell.is_complete(since)]

    def estimated(self, since: float) -> list[Cell]:
        """Return the missing cells with estimates of their time."""
        missing = self.missing(since)
        timings = read_timings(dict.fromkeys((RESULTS, OUTPUTS, MULTIRUN, self.folder)))
        configs = [self.configs[cell.name] for cell in missing]
        costs = estimate_cells(configs, StageStore(self.folder, since), timings)
        return [replace(cell, seconds=cost) for cell, cost in zip(missing, costs, strict=True)]


def list_cells(overrides: Sequence[str], resolved: dict[tuple[str, ...], Config]) -> Asked:
    """Resolve all cells of a sweep.

    Args:
        overrides: as `check_arguments` returns them, without options.
        resolved: experiments that were resolved while the arguments were checked, by their overrides.

    Raises:
        UserError: an override is wrong, or names the folder of a job.
    """
    jobs = list_jobs(overrides)
    configs = [resolved.get(tuple(job)) or resolve_job(job) for job in jobs]
    _, master = compose_sweep(overrides)
    given = _read_folder(master)
    named = MULTIRUN / name_sweep(configs) if given == MULTIRUN else given
    folder = Path(os.path.abspath(named))  # noqa: PTH100 - links are not followed
    cells = [make_cell(folder, config, _own(job)) for job, config in zip(jobs, configs, strict=True)]
    words = [*overrides, *([f"hydra.sweep.dir='{folder}'"] if given == MULTIRUN else [])]
    by_name = dict(zip((cell.name for cell in cells), configs, strict=True))
    return Asked(folder, list({cell.name: cell for cell in cells}.values()), by_name, words)


def _read_folder(master: DictConfig) -> Path:
    """Return the folder that Hydra's settings name.

    Raises:
        UserError: they name a folder for each job, or a sweeper of their own.
    """
    with one_line_hydra_errors():
        folder, subfolder = Path(str(master.hydra.sweep.dir)), master.hydra.sweep.subdir
        sweeper = master.hydra.sweeper._target_
    if subfolder != SUBFOLDER:
        raise UserError(f"hydra.sweep.subdir={subfolder} is not allowed: cells are named by experiment and digest")
    if sweeper != SWEEPER:
        raise UserError(
            f"hydra/sweeper is not allowed to be {sweeper}: a sweep computes all combinations of its values"
        )
    return folder


def name_sweep(configs: Sequence[Config]) -> str:
    """Return the name of a sweep's folder: its experiments, or its models where no experiment is chosen."""
    names = [config["names"].get("experiment") or config["names"].get("model") or "cells" for config in configs]
    name = "-".join(dict.fromkeys(names))
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def compose_sweep(overrides: Sequence[str]) -> tuple[Hydra, DictConfig]:
    """Compose what the jobs of a sweep have in common."""
    version.setbase("1.3")
    GlobalHydra.instance().clear()
    with one_line_hydra_errors():
        hydra = Hydra.create_main_hydra2("veilbench", search_path())
        config: DictConfig = hydra.compose_config(
            "config", list(overrides), run_mode=RunMode.MULTIRUN, with_log_configuration=True
        )
    return hydra, config


def make_launcher(overrides: Sequence[str], task: TaskFunction) -> Launcher:
    """Return Hydra's launcher that the settings choose.

    Args:
        overrides: overrides of the sweep.
        task: function of a job's composed configuration.
    """
    hydra, config = compose_sweep(overrides)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
    with one_line_hydra_errors():
        return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)


def _own(job: Sequence[str]) -> list[str]:
    """Return the overrides of a job without those of Hydra's own settings."""
    return [word for word in job if not word.lstrip("+~").startswith(("hydra.", "hydra/"))]
