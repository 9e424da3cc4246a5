"""Sweeps: `veilbench sweep experiment=cipher_small seed=range(3)`, and single jobs by `python pipelines/sweep.py`.

A sweep computes the cells that its folder lacks; a single job runs all stages of one experiment in this process.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra import version
from hydra._internal import utils as hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from veilbench.bench import stages
from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.experiment import Config
from veilbench.bench.report import leaderboard
from veilbench.bench.report.records import read_cell
from veilbench.bench.report.table import print_table
from veilbench.families import register_all
from veilbench.workflow.arguments import INFORMS, check_arguments
from veilbench.workflow.cells.asked import Asked, compose_sweep, list_cells
from veilbench.workflow.cells.attempt import Limits
from veilbench.workflow.cells.launch import count_jobs, note_few_devices, run_cells, start
from veilbench.workflow.cells.options import OPTIONS, take_limits
from veilbench.workflow.cells.said import announce, print_failures, shorten
from veilbench.workflow.cells.sweep_folder import SweepFolder
from veilbench.workflow.cells.work import publish
from veilbench.workflow.compose import plain, read_overrides, search_path
from veilbench.workflow.explain import one_line_hydra_errors
from veilbench.workflow.hydra_folders import withdraw, write_composed
from veilbench.workflow.hydra_parser import build_parser
from veilbench.workflow.job import helps_another_process, objective, record_job


def main(arguments: list[str]) -> int:
    """Run one job, or with `--multirun` a sweep; see `veilbench sweep --help`.

    Args:
        arguments: overrides and options, in Hydra's grammar, and those of `take_limits`.

    Returns:
        The exit code: 2 if a cell of a sweep has failed.

    Raises:
        UserError: an override or an option is wrong; checked for all jobs before the first one begins.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra's own handling would hide the cause
    words, limits = take_limits(arguments)
    resolved: dict[tuple[str, ...], Config] = {}
    checked = check_arguments(words, resolved)
    parser = build_parser()
    options = parser.parse_args(checked)
    informs = any(getattr(options, name) for name in INFORMS)
    if options.multirun and not informs:
        return sweep(list_cells(options.overrides, resolved), limits)
    if words != list(arguments) and not informs:
        raise UserError(f"{OPTIONS} are for sweeps")
    _run_single(parser, options)
    return 0


def _run_single(parser: ArgumentParser, options: Namespace) -> None:
    """Let Hydra run one job, or show what its options ask for."""
    version.setbase("1.3")
    with one_line_hydra_errors(errors=(HydraException, OmegaConfBaseException)):  # ours keep their traceback
        hydra.create_automatic_config_search_path = lambda *_: search_path()  # the folders of all homes
        hydra._run_hydra(options, parser, run_job, None, "config")


def sweep(asked: Asked, limits: Limits) -> int:
    """Compute the cells that are missing, and print the table of all and what failed; return the exit code.

    Args:
        asked: the cells.
        limits: how they are computed.
    """
    missing = asked.estimated(limits.since)
    launcher = compose_sweep(asked.words)[1].hydra.launcher
    limits = replace(limits, jobs=count_jobs(launcher, len(missing)))
    print(announce(asked, missing, limits.jobs), file=sys.stderr)
    if note := note_few_devices(launcher, [asked.configs[cell.name] for cell in missing]):
        print(note, file=sys.stderr)
    names = {cell.name: cell for cell in missing}
    folder = SweepFolder(asked.folder)
    listed = [names.get(cell.name, cell) for cell in asked.cells]
    with start(asked, missing, limits, launcher) as send, folder.listing(listed) as began:
        for cell in asked.cells:
            publish(cell, asked.configs[cell.name])  # a process may have been killed before it did
        run_cells(asked, missing, limits, send, began)
    failed = [(cell, failure) for cell in missing if (failure := cell.failure(began))]
    print_rows(asked.folder, [cell.folder for cell in asked.cells if cell.is_complete()])
    print_failures(failed, len(asked.cells))
    return 2 if failed else 0


def show_settings(arguments: list[str]) -> bool:
    """Print the composed settings if `--cfg` or `-c` asks for them, and return whether it does."""
    asked = any(word.partition("=")[0] in ("-c", "--cfg") for word in arguments)
    if asked:
        main(arguments)
    return asked


def run_job(composed: DictConfig) -> float | None:
    """Run a single job; bad input ends the process."""
    settings = HydraConfig.get()
    choices, overrides = dict(settings.runtime.choices), read_overrides(settings)
    with one_line_errors():
        return run(composed, choices, overrides, Path(settings.runtime.output_dir))


def print_rows(folder: Path, cells: Sequence[Path]) -> None:
    """Print the leaderboard of a sweep, and the command that makes its page.

    Args:
        folder: folder of the sweep.
        cells: folders of its records, in the order of the rows.
    """
    register_all()
    try:
        records = [read_cell(cell) for cell in cells]
    except UserError as error:
        print(f"no table: {error}", file=sys.stderr)
        return
    if records:
        print_table([leaderboard.row(record) for record in records])
        print(f"\n{shorten(folder)}    the page: veilbench report {shorten(folder)}")


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
