"""All stages of one experiment in one process: `python pipelines/sweep.py -m experiment=cipher_small seed=range(3)`.

Returns the metric that `objective` names, so that a Hydra sweeper can optimise it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from hydra import version
from hydra._internal import utils as hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from veilbench.bench import stages
from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.report import leaderboard
from veilbench.bench.report.records import find_cells, label, read_cell
from veilbench.bench.report.table import print_table
from veilbench.bench.tracking import read_headline
from veilbench.families import register_all
from veilbench.workflow.arguments import check_arguments
from veilbench.workflow.compose import plain, search_path
from veilbench.workflow.explain import one_line_hydra_errors
from veilbench.workflow.hydra_folders import swept_folder, tidy, withdraw, write_composed
from veilbench.workflow.job import record_job


def main(arguments: list[str]) -> None:
    """Run one job, or with `--multirun` a sweep.

    Args:
        arguments: overrides and options, in Hydra's grammar.

    Raises:
        UserError: an override or an option is wrong; checked for all jobs before the first one begins.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra's own handling would hide the cause
    checked = check_arguments(arguments)
    version.setbase("1.3")
    with one_line_hydra_errors(errors=(HydraException, OmegaConfBaseException)):  # ours keep their traceback
        parser = hydra.get_args_parser()
        hydra.create_automatic_config_search_path = lambda *_: search_path()  # the folders of all homes
        try:
            hydra._run_hydra(parser.parse_args(checked), parser, run_job, None, "config")
        finally:
            tidy()
    if (folder := swept_folder()) and not helps_another_process():
        print_rows(folder)


def show_settings(arguments: list[str]) -> bool:
    """Print the composed settings if `--cfg` or `-c` asks for them, and return whether it does."""
    asked = any(word.partition("=")[0] in ("-c", "--cfg") for word in arguments)
    if asked:
        main(arguments)
    return asked


def run_job(composed: DictConfig) -> float | None:
    """Run one job of a sweep; a single run ends the process here on bad input, a sweep after its last job."""
    hydra_config = HydraConfig.get()
    choices, overrides = dict(hydra_config.runtime.choices), list(hydra_config.overrides.task)
    folder, started = Path(hydra_config.runtime.output_dir), time.perf_counter()
    if hydra_config.mode == RunMode.RUN:
        with one_line_errors():
            return run(composed, choices, overrides, folder)
    value = run(composed, choices, overrides, folder)
    name = label({"names": choices}, overrides)
    print(f"job {hydra_config.job.num}: {name}  {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return value


def print_rows(folder: Path) -> None:
    """Print the leaderboard of a sweep, where its records are, and the command that makes their page."""
    register_all()
    try:
        records = [read_cell(cell) for cell in find_cells([folder])]
    except UserError as error:
        print(f"no table: {error}", file=sys.stderr)
        return
    print_table([leaderboard.row(record) for record in records])
    place = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    print(f"\n{place}    the page: veilbench report {place}")


def run(composed: DictConfig, choices: dict[str, str], overrides: list[str], folder: Path) -> float | None:
    """Check the configuration, run all stages into `folder`, and publish the record."""
    try:
        config = plain(composed, choices, overrides)
        if helps_another_process():
            stages.run_all(config, folder)
            return None
        with record_job(config, folder) as forget:

            def begun() -> None:
                forget()
                write_composed(composed, folder)

            stages.run_all(config, folder, begun=begun)
    except UserError:
        withdraw(folder)
        raise
    return objective(config["objective"], folder)


def helps_another_process() -> bool:
    """Whether Lightning started this process to train with another one, which has the folder and keeps the record."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def objective(name: str | None, folder: Path) -> float | None:
    """The metric that a sweeper optimises.

    Raises:
        UserError: there is no such metric.
    """
    metrics = read_headline(folder)
    if name is not None and name not in metrics:
        raise UserError(f"objective={name} is no metric of this experiment; there are: {', '.join(metrics)}")
    return None if name is None else metrics[name]
