"""Reads a record for publishing. All files are checked before anything is sent to the store."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veilbench.bench.csv_cells import unescape
from veilbench.bench.errors import UserError
from veilbench.bench.stage_run import StageRun, read_stage_run

if TYPE_CHECKING:
    from PIL.Image import Image

STAGES = ("train", "evaluate", "attack")
COLUMNS = ["curve", "x", "y", "low", "high"]


@dataclass(frozen=True)
class Point:
    """One point of a learning curve or of a figure."""

    curve: str
    x: float
    y: float


@dataclass(frozen=True)
class StageRecord:
    """The record of one stage.

    Attributes:
        folder: the folder of its files.
        metrics: values of the metrics and costs by their names.
        seconds: time that the stage took.
        pictures: images by their file names.
        points: the points of all curves.
        run: when and from which commit the stage ran; None if it was not recorded.
    """

    folder: Path
    metrics: dict[str, float]
    seconds: float
    pictures: dict[str, Image]
    points: list[Point]
    run: StageRun | None


def read_stages(records: Path) -> dict[str, StageRecord]:
    """Read the records of all stages of an experiment.

    Raises:
        UserError: a file is missing or damaged, or a number in it is not finite; the message names the file.
    """
    return {stage: read_stage(records / stage) for stage in STAGES}


def read_stage(folder: Path) -> StageRecord:
    """Read the record of one stage."""
    found = _read_findings(folder / "findings.json")
    metrics, cost = _read_numbers(folder / "metrics.json"), _read_cost(folder / "cost.json")
    return StageRecord(
        folder=folder,
        metrics=metrics | {f"cost.{name}": value for name, value in cost.items()},
        seconds=sum(value for name, value in cost.items() if name.rpartition(".")[2] == "seconds"),
        pictures=dict(_read_pictures(folder / "findings.json", found)),
        points=list(read_points(folder / "curves.csv")),
        run=read_stage_run(folder),
    )


def read_headline(records: Path) -> dict[str, float]:
    """Read the headline metrics and costs of all stages: {"evaluate.fidelity.round_trip_english": 1.0, ...}."""
    found: dict[str, float] = {}
    for stage in STAGES:
        metrics, cost = _read_numbers(records / stage / "metrics.json"), _read_cost(records / stage / "cost.json")
        found |= {f"{stage}.{name}": value for name, value in metrics.items()}
        found |= {f"cost.{stage}.{name}": value for name, value in cost.items()}
    return found


def read_points(path: Path) -> Iterator[Point]:
    """Yield the points of a curves.csv.

    Raises:
        UserError: a row is malformed; the message names the file and the row's line.
    """
    rows = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    try:
        for row in rows:
            if rows.line_num == 1:
                if row != COLUMNS:
                    raise ValueError(f"the columns are {', '.join(row)} instead of {', '.join(COLUMNS)}")
                continue
            name, *cells = row
            x, y, *_ = _read_cells(cells)
            yield Point(unescape(name), x, y)
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is damaged in line {rows.line_num}: {error}; {_remedy(path)}") from error
    if not rows.line_num:
        raise UserError(f"{path} is damaged: it is empty; {_remedy(path)}")


def _read_cells(cells: list[str]) -> list[float]:
    """Parse the four numbers of a row."""
    if len(cells) != len(COLUMNS) - 1:
        raise ValueError(f"it has {len(cells) + 1} cells instead of {len(COLUMNS)}")
    numbers = [float(cell) for cell in cells]
    if odd := [cell for cell, number in zip(cells, numbers, strict=True) if not math.isfinite(number)]:
        raise ValueError(f"{odd[0]} is not a finite number")
    return numbers


def _read_numbers(path: Path) -> dict[str, float]:
    return {name: _number(path, name, value) for name, value in _read_object(path).items()}


def _read_cost(path: Path) -> dict[str, float]:
    parts = _read_object(path)
    for part, values in parts.items():
        if not isinstance(values, dict):
            raise UserError(f"{path} is damaged at {part}: {values!r} is not an object; {_remedy(path)}")
    costs = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    return {name: _number(path, name, value) for name, value in costs.items()}


def _number(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -math.inf < value < math.inf:
        raise UserError(
            f"{path} is damaged: the metric {name} is {value!r}, which is not a finite number; {_remedy(path)}"
        )
    try:
        return float(value)
    except OverflowError:
        raise UserError(f"{path} is damaged: the metric {name} has {len(str(value))} digits; {_remedy(path)}") from None


def _read_findings(path: Path) -> dict[str, dict[str, Any]]:
    found = _read_object(path)
    for key, findings in found.items():
        if not isinstance(findings, dict) or not isinstance(findings.get("pictures", []), list):
            raise UserError(f"{path} is damaged at {key}: it holds no findings; {_remedy(path)}")
    return found


def _read_pictures(path: Path, found: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Image]]:
    """Yield the pictures in findings.json as image files for MLflow."""
    for key, findings in found.items():
        for index, picture in enumerate(findings.get("pictures", [])):
            from PIL import Image

            try:
                image = Image.open(io.BytesIO(base64.b64decode(picture["png"], validate=True)))
                image.load()
            except (KeyError, TypeError, OSError, ValueError, SyntaxError, binascii.Error) as error:
                at = f"{key}.pictures[{index}]"
                raise UserError(f"{path} is damaged at {at}: it is not an image; {_remedy(path)}") from error
            yield f"pictures/{key}-{index}.png", image


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}; {_remedy(path)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it holds {type(content).__name__} instead of an object; {_remedy(path)}")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf8")  # not read_text: names in curves.csv may contain any line separator
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; {_remedy(path)}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    return f"run the stage `{path.parent.name}` again"
