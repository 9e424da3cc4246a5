"""Reads the records of the stages for the report."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, load
from veilbench.bench.findings import CURVE_COLUMNS, Findings, collect_metrics, curve_rows
from veilbench.bench.provenance import require

T = TypeVar("T")
STAGES = ("train", "evaluate", "attack")
CELL = "experiment.yaml"  # written last: its presence makes a folder a record
OVERRIDES = Path(".hydra/overrides.yaml")  # the words that a record was composed with, which its name tells
_FINDINGS, _METRICS = TypeAdapter(dict[str, Findings]), TypeAdapter(dict[str, float])
_COSTS = TypeAdapter(dict[str, dict[str, float]])


@dataclass(frozen=True)
class Record:
    """Everything on disk about one experiment.

    Attributes:
        name: name of the experiment.
        config: its resolved configuration.
        found: for each stage, the findings of its evaluations or attacks by their names, with their cost.
        overrides: Hydra's overrides that the experiment was composed with; None for an experiment of the pipeline.
    """

    name: str
    config: Config
    found: dict[str, dict[str, Findings]]
    overrides: tuple[str, ...] | None = None

    def items(self) -> Iterator[tuple[str, str, Findings]]:
        """Yield stage, name and findings, in the order of the stages."""
        for stage in STAGES:
            for name, findings in self.found[stage].items():
                yield stage, name, findings


def read(name: str, params: Path, results: Path) -> Record:
    """Read one experiment's configuration and its three records.

    Raises:
        UserError: a file is missing or damaged, or was made with other settings or code; the message names it.
    """
    config = load(params / f"{name}.yaml")
    found = {
        stage: _stage(results / name / stage, stage, config, f"run `dvc repro {stage}@{name}`") for stage in STAGES
    }
    return Record(name, config, found)


def read_all(names: Sequence[str], params: Path, results: Path) -> list[Record]:
    """Read several experiments, in the order of `names`.

    Raises:
        UserError: a record is missing or damaged.
    """
    return [read(name, params, results) for name in names]


def read_cell(folder: Path) -> Record:
    """Read the record of a run or of a job of a sweep.

    Args:
        folder: folder of the record, with `experiment.yaml`, `.hydra/overrides.yaml` and the folders of the stages.

    Raises:
        UserError: a file is missing or damaged; the message names it.
    """
    return read_folder(folder, load(folder / CELL))


def read_folder(folder: Path, config: Config) -> Record:
    """Read a record from anywhere: an experiment of the pipeline, a run, a job of a sweep, or an audit.

    Args:
        folder: folder of the record, with the folders of the stages.
        config: the resolved configuration of the record.

    Raises:
        UserError: a file is missing or damaged; the message names it.
    """
    of_pipeline = config["names"].get("experiment") and not (folder / CELL).is_file()
    overrides = None if of_pipeline else _read_overrides(folder)
    found = {stage: _stage(folder / stage, stage, config, "run its command again") for stage in STAGES}
    return Record(label(config, overrides or ()), config, found, overrides)


def label(config: Config, overrides: Sequence[str]) -> str:
    """Return the name of a run: its experiment, else its model, and the other overrides."""
    named = config["names"].get("experiment") or config["names"].get("model") or "experiment"
    given = [one.lstrip("+") for one in overrides]
    others = [one for one in given if not one.startswith(("experiment=", "sweep", "tracking", "objective", "hydra"))]
    return " ".join([str(named), *sorted(others)])


def run_name(record: Record) -> str:
    """Return the name of a record's run in a tracking store: the record's name, always with the seed."""
    seeded = any(word.startswith("seed=") for word in record.name.split())
    return record.name if seeded else f"{record.name} seed={record.config['seed']}"


def find_cells(folders: Sequence[Path]) -> list[Path]:
    """Return the folders of all records below some folders, sorted.

    Raises:
        UserError: there is none below one of them.
    """
    found: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}")
        below = set(walk_cells(folder))
        if not below:
            raise UserError(f"{folder} holds no record: there is no {CELL} in it or below it")
        found |= below
    return sorted(found)


def walk_cells(folder: Path) -> Iterator[Path]:
    """Yield the folders of all records in and below a folder, except in hidden ones: those are not complete."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if CELL in files:
            yield Path(place)


def _read_overrides(folder: Path) -> tuple[str, ...]:
    path = folder / OVERRIDES
    if not path.is_file():
        return ()
    try:
        found = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is damaged: {' '.join(str(error).split())}") from error
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise UserError(f"{path} is damaged: it holds no list of overrides")
    return tuple(found)


def _stage(folder: Path, stage: str, config: Config, remedy: str) -> dict[str, Findings]:
    found = read_checked(_FINDINGS, folder / "findings.json", remedy)
    costs = read_checked(_COSTS, folder / "cost.json", remedy)
    if read_checked(_METRICS, folder / "metrics.json", remedy) != collect_metrics(found):
        raise UserError(f"{folder / 'metrics.json'} is damaged: it does not agree with findings.json; {remedy}")
    if _rows(folder / "curves.csv", remedy) != len(list(curve_rows(found))):
        raise UserError(f"{folder / 'curves.csv'} is damaged: it does not have the points of findings.json; {remedy}")
    require(folder, stage, config)
    for key, findings in found.items():
        findings.cost = costs.get(key, {})
    return found


def read_checked(adapter: TypeAdapter[T], path: Path, remedy: str) -> T:
    """Read a JSON file and check its content.

    Raises:
        UserError: the file is missing or damaged; the message ends with the remedy.
    """
    try:
        text = path.read_text(encoding="utf8")
        json.loads(text, parse_constant=_no_number)
        return adapter.validate_json(text)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; {remedy}") from error
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} is damaged at {at or 'its start'}: {first['msg']}; {remedy}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; {remedy}") from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _rows(path: Path, remedy: str) -> int:
    """The number of points in curves.csv."""
    try:
        with path.open(newline="", encoding="utf8") as file:
            head, *rows = csv.reader(file)
        if tuple(head) != CURVE_COLUMNS or not all(math.isfinite(sum(map(float, row[1:]))) for row in rows):
            raise ValueError(f"its columns must be {', '.join(CURVE_COLUMNS)}, all but the first of them numbers")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; {remedy}") from error
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is damaged: {error}; {remedy}") from error
    return len(rows)
