"""How long stages take on this machine, from the records that are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, load
from veilbench.bench.report.records import CELL, walk_cells
from veilbench.bench.stages import RESULTS

GROUPS = {"train": "training", "evaluate": "evaluation", "attack": "attack"}
MOST_RECORDS = 500  # below one folder


@dataclass(frozen=True)
class Timing:
    """How long one part of a stage took in a record of this machine.

    Attributes:
        key: stage, part (the name of an evaluation or attack, or "training"), model and data.
        seconds: time that it took.
        written: time at which the record was written, in seconds since the epoch.
    """

    key: tuple[str, str, str, str]
    seconds: float
    written: float


def read_timings(roots: Iterable[Path]) -> list[Timing]:
    """Return the times in the records below some folders, the latest last; damaged records are left out."""
    found = [timing for root in roots for timing in _find_timings(root)]
    return sorted(found, key=lambda timing: timing.written)


def estimate(config: Config, stage: str, timings: list[Timing]) -> float | None:
    """Return the seconds that a stage takes, as the last records on this machine say.

    For each part the latest record of the same model and data counts, else of the same data, else of any.

    Args:
        config: resolved experiment.
        stage: "train", "evaluate" or "attack".
        timings: times of earlier records, the latest last.

    Returns:
        Seconds; None if some part has never been run.
    """
    parts = ["training"] if stage == "train" else list(config[GROUPS[stage]])
    found = [_estimate_part(config, stage, part, timings) for part in parts]
    return None if None in found else float(sum(seconds or 0.0 for seconds in found))


def _estimate_part(config: Config, stage: str, part: str, timings: list[Timing]) -> float | None:
    model, data = str(config["names"]["model"]), str(config["names"]["data"])
    same = [timing for timing in timings if timing.key[:2] == (stage, part)]
    if stage == "train":  # a training's time says nothing about another model's
        same = [timing for timing in same if timing.key[2] == model]
    for wanted in ((model, data), (None, data), (None, None)):
        fitting = [t for t in same if wanted[0] in (None, t.key[2]) and wanted[1] in (None, t.key[3])]
        if fitting:
            return fitting[-1].seconds
    return None


def _find_timings(root: Path) -> Iterator[Timing]:
    """Yield the times in the records below a folder: those of the pipeline, or those of runs and sweeps."""
    if root == RESULTS:
        described = ((folder, Path("params") / f"{folder.name}.yaml") for folder in root.glob("*"))
    else:
        described = ((folder, folder / CELL) for folder in islice(walk_cells(root), MOST_RECORDS))
    for folder, config in described:
        try:
            names = load(config)["names"]
            yield from _read_costs(folder, str(names["model"]), str(names["data"]))
        except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
            continue


def _read_costs(folder: Path, model: str, data: str) -> Iterator[Timing]:
    for path in (folder / stage / "cost.json" for stage in GROUPS):
        if path.is_file():
            for part, cost in json.loads(path.read_text(encoding="utf8")).items():
                if "seconds" in cost:
                    key = (path.parent.name, str(part), model, data)
                    yield Timing(key, float(cost["seconds"]), path.stat().st_mtime)
