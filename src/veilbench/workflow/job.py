"""Gives each job a folder of its own: only one job writes to it at a time, and no other job's record is overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from veilbench.bench.beside import write_whole_file
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, build
from veilbench.bench.file_lock import lock_file
from veilbench.bench.tracking import read_headline
from veilbench.families import register_all

OUTPUTS, MULTIRUN = Path("outputs"), Path("multirun")  # folders of runs and of sweeps
RECORD = "experiment.yaml"  # its presence makes a folder a record; written last
NOT_COMPARED = (
    "digests",
    "tracking",
    "objective",
)  # differences in these are allowed: they do not change results, or the code has changed
SHOWN = 3  # number of settings that an error message names


@contextmanager
def record_job(config: Config, folder: Path) -> Iterator[Callable[[], None]]:
    """Lock a job's folder within the block; if the block succeeds, the folder becomes a record and is published.

    Yields:
        A function to call before the first result changes. If the folder holds a record of the same settings, this
        call makes it incomplete until the job has finished again.

    Raises:
        UserError: the folder holds the record of other settings, or another job is writing into it.
    """
    marker = folder / RECORD
    _refuse_other(config, marker)
    with lock_file(marker, wait=0):
        _refuse_other(config, marker)
        yield lambda: marker.unlink(missing_ok=True)
        write_text(marker, yaml.safe_dump(config, sort_keys=False))
        register_all()
        build(config["tracking"]).publish(config, folder)


def write_text(path: Path, text: str) -> None:
    """Write a file of a job's folder atomically.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole_file(path) as partial:
            partial.write_text(text, encoding="utf8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _refuse_other(config: Config, marker: Path) -> None:
    if not marker.exists():
        return
    elsewhere = "name another folder with hydra.run.dir or hydra.sweep.dir, or move this one away"
    try:
        there = flat(yaml.safe_load(marker.read_text(encoding="utf8")))
    except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{marker} is damaged, so its settings are unknown: {reason}; {elsewhere}") from error
    if told := difference(flat(yaml.safe_load(yaml.safe_dump(config, sort_keys=False))), there):
        raise UserError(f"{marker.parent} holds the record of other settings: {told}; {elsewhere}")


def difference(here: dict[str, Any], there: dict[str, Any]) -> str:
    """Describe briefly where settings differ; empty if they are equal."""
    differing = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    told = ", ".join(f"{key}={here.get(key)} (there: {there.get(key)})" for key in differing[:SHOWN])
    return told + (f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else "")


def flat(config: Config) -> dict[str, Any]:
    """Return the settings that results depend on, by their dotted names."""

    def leaves(node: Any, name: str) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            for key, child in node.items():
                yield from leaves(child, f"{name}.{key}" if name else str(key))
        else:
            yield name, node

    return dict(leaves({key: value for key, value in config.items() if key not in NOT_COMPARED}, ""))


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
