"""Runs the stages of one cell, as far as no other cell has run them, and puts its record together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from veilbench.bench import stages
from veilbench.bench.experiment import Config, load
from veilbench.bench.report.records import CELL
from veilbench.workflow.cells.stage_store import StageStore, link_folder
from veilbench.workflow.job import helps_another_process, objective
from veilbench.workflow.steps import Steps

FOLDERS = {"prepare": "prepared", "train": "train", "evaluate": "evaluate", "attack": "attack"}


def main(arguments: list[str]) -> None:
    """Compute the cell that a folder describes.

    Args:
        arguments: the folder, which holds `experiment.yaml`; the sweep's folder; a time in seconds since 1970, and
            stages that are older run again; the number of cells that this machine computes at the same time.

    Raises:
        UserError: a stage refuses something, or `objective` is no metric of the experiment.
    """
    folder, sweep, since, jobs = arguments
    config = load(Path(folder) / CELL)
    config = config | {"trainer": _share_cores(config["trainer"], int(jobs))}
    if helps_another_process():
        _train_along(config)
        return
    for stage, made in run_stages(config, StageStore(Path(sweep), float(since))).items():
        link_folder(made, Path(folder) / FOLDERS[stage])
    objective(config["objective"], Path(folder))


def run_stages(config: Config, store: StageStore) -> dict[str, Path]:
    """Run the stages of an experiment that a store lacks, and return the folder of each stage."""
    made: dict[str, Path] = {}
    steps: dict[str, Callable[[Path], None]] = {
        "prepare": lambda place: stages.prepare(config, place),
        "train": lambda place: stages.train(config, made["prepare"], place),
        "evaluate": lambda place: stages.evaluate(config, made["prepare"], made["train"], place),
        "attack": lambda place: stages.attack(config, made["prepare"], made["train"], place),
    }
    for stage, run in steps.items():
        with Steps().show(stage):
            made[stage] = store.provide(config, stage, run)
    return made


def trains_alone(config: Config) -> bool:
    """Whether an experiment trains in one process. Of several, Lightning starts all but the first."""
    return bool(config["trainer"].get("strategy", "auto") == "auto")


def _share_cores(trainer: Config, jobs: int) -> Config:
    """Return a trainer's settings with this cell's share of the cores.

    The number of workers does not change results, so that it is no part of what identifies a cell.
    """
    if jobs == 1 or trainer.get("workers") != "auto":
        return trainer
    return trainer | {"workers": max(1, len(os.sched_getaffinity(0)) // jobs)}


def _train_along(config: Config) -> None:
    """Train with the process that keeps the record; Lightning started this one."""
    with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
        data = Path(folder) / "prepared"
        stages.prepare(config, data)
        stages.train(config, data, Path(folder) / "train")
