"""Says what a run would compute, from which digests, and about how long it would take on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, load
from veilbench.bench.report.records import CELL
from veilbench.bench.stages import RESULTS
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.run import OUTPUTS, find_folder
from veilbench.workflow.sweep import show_settings

GROUPS = {"train": "training", "evaluate": "evaluation", "attack": "attack"}


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


def main(arguments: list[str]) -> None:
    """Print a line for each stage; see `veilbench plan --help`.

    Args:
        arguments: overrides in Hydra's grammar, and `--cfg job` to print the settings alone.

    Raises:
        UserError: an override is wrong.
    """
    if show_settings(arguments):
        return
    config = plain(composed(arguments), overrides=arguments)
    folder = find_folder(config, arguments)
    timings = sorted(find_timings([RESULTS, OUTPUTS, Path("multirun")]), key=lambda timing: timing.written)
    there = (folder / CELL).is_file()
    total, known = 0.0, True
    for stage, digest in config["digests"].items():
        seconds = None if stage == "prepare" else estimate(config, stage, timings)
        total += seconds or 0.0
        known = known and (seconds is not None or stage == "prepare")
        time = "" if stage == "prepare" else f"about {seconds:.0f} s" if seconds is not None else "time unknown"
        print(f"{stage:<9}{digest}  {'is there' if there else 'runs'}{'' if there else f'  {time}'.rstrip()}")
    if there:
        print(f"{folder} is complete: nothing runs, unless with force=true")
    else:
        time = f"about {total:.0f} s" if known else f"at least {total:.0f} s" if total else "time unknown"
        print(f"{folder}: {time}{'' if known else '; what was never run on this machine has no estimate'}")


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


def find_timings(roots: list[Path]) -> Iterator[Timing]:
    """Yield the times in all records below some folders; damaged records are left out."""
    for path in (path for root in roots for path in root.rglob("cost.json")):
        stage, record = path.parent.name, path.parent.parent
        described = Path("params") / f"{record.name}.yaml" if record.parent == RESULTS else record / CELL
        try:
            names = load(described)["names"]
            costs = json.loads(path.read_text(encoding="utf8"))
            for part, cost in costs.items():
                if stage in GROUPS and "seconds" in cost:
                    key = (stage, str(part), str(names["model"]), str(names["data"]))
                    yield Timing(key, float(cost["seconds"]), path.stat().st_mtime)
        except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
