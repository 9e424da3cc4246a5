"""Runs all stages of one experiment into a folder of its own, with its row of the leaderboard at the end.

The folder's name holds a digest of the settings and the code, so that the same command finds a complete record.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from veilbench.bench import stages
from veilbench.bench.experiment import Config, identity
from veilbench.bench.report import leaderboard
from veilbench.bench.report.records import CELL, OVERRIDES, Record, label, read_cell
from veilbench.bench.report.table import print_table
from veilbench.families import register_all
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.job import OUTPUTS, record_job, write_text
from veilbench.workflow.steps import Steps
from veilbench.workflow.sweep import show_settings

FORCE = "force=true"
LONGEST_NAME = 80  # characters of a folder's name before its digest


def main(arguments: list[str]) -> None:
    """Run an experiment, or show its record if it is complete; see `veilbench run --help`.

    Args:
        arguments: overrides in Hydra's grammar, `force=true` to compute a complete record again, and `--cfg job` to
            print the settings alone.

    Raises:
        UserError: an override is wrong, or a stage refuses something.
    """
    overrides = [word for word in arguments if word != FORCE]
    if show_settings(overrides):
        return
    config = plain(composed(overrides), overrides=overrides)
    folder = find_folder(config, overrides)
    if FORCE in arguments or not (folder / CELL).is_file():
        run(config, overrides, folder)
    else:
        print(f"{folder} is complete; {FORCE} computes it again", file=sys.stderr)
    register_all()
    record = read_cell(folder)
    print_table([leaderboard.row(record)])
    print_reasons(record)
    print(f"\n{folder}    the page: veilbench report {folder}")


def print_reasons(record: Record) -> None:
    """Print a line for each attack: its verdict, and why."""
    for name, found in record.found["attack"].items():
        print(f"{name}: {found.verdict or 'no verdict'}; {found.reason}")


def find_folder(config: Config, overrides: list[str]) -> Path:
    """Return the folder of a run: outputs/<experiment and overrides>-<digest>."""
    name = re.sub(r"[^\w.=,-]+", "_", label(config, overrides)).strip("_")[:LONGEST_NAME]
    return OUTPUTS / f"{name}-{identity(config)[:8]}"


def run(config: Config, overrides: list[str], folder: Path) -> None:
    """Run all stages, and publish the record.

    Args:
        config: resolved experiment.
        overrides: the overrides that it was composed with.
        folder: folder to write, with a folder for each stage in it.
    """
    data, trained = folder / "prepared", folder / "train"
    names = config["names"]
    steps: dict[str, tuple[str, Callable[[], None]]] = {
        "prepare": (names["data"], lambda: stages.prepare(config, data)),
        "train": (names["model"], lambda: stages.train(config, data, trained)),
        "evaluate": (_list(config, "evaluation"), lambda: stages.evaluate(config, data, trained, folder / "evaluate")),
        "attack": (_list(config, "attack"), lambda: stages.attack(config, data, trained, folder / "attack")),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with record_job(config, folder) as forget:
        forget()
        for stage, (what, step) in steps.items():
            with Steps().show(f"{stage:<9}{what}"):
                step()
        write_text(folder / OVERRIDES, yaml.safe_dump(overrides))


def _list(config: Config, group: str) -> str:
    return ", ".join(config[group]) or "nothing"
