"""Records when a stage ran, from which commit, and which of its settings were not the defaults: `run.json`.

Like `cost.json`, the file differs between two runs that compute the same, so that no later stage depends on it.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from veilbench.bench.changed_settings import list_changed_settings
from veilbench.bench.errors import UserError

FILE = "run.json"
READS = {  # the parts of the configuration whose settings belong to a stage
    "train": ("data", "model", "training", "trainer"),
    "evaluate": ("evaluation",),
    "attack": ("attack",),
}
DESCRIBE = ("git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


@dataclass(frozen=True)
class StageRun:
    """One execution of a stage.

    Attributes:
        started: time of its start, in seconds since 1970.
        ended: time of its end, in seconds since 1970.
        commit: git commit of the working folder, ending in "-dirty" if files had changed; empty outside of git.
        changed: settings of the stage that are not the defaults, by their dotted names.
    """

    started: float
    ended: float
    commit: str
    changed: dict[str, Any]


_RUN = TypeAdapter(StageRun)


def write_stage_run(folder: Path, stage: str, config: dict[str, Any], started: float, ended: float) -> None:
    """Write `run.json` into the folder of a stage.

    Args:
        folder: the folder that the stage writes.
        stage: name of the stage: train, evaluate or attack.
        config: the resolved experiment.
        started: time of the stage's start, in seconds since 1970.
        ended: time of the stage's end, in seconds since 1970.
    """
    run = StageRun(started, ended, find_commit(Path.cwd()), _changed(config, stage))
    (folder / FILE).write_text(json.dumps(asdict(run), indent=1) + "\n", encoding="utf8")


def read_stage_run(folder: Path) -> StageRun | None:
    """Read `run.json`; None if there is none, as in records of earlier versions.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return _RUN.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is damaged: {first}; run the stage `{folder.name}` again") from error


@cache
def find_commit(folder: Path) -> str:
    """Return the git commit of a folder, ending in "-dirty" if tracked files differ; empty if there is none."""
    try:
        done = subprocess.run(DESCRIBE, cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # no git, or a slow disk
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _changed(config: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return the changed settings of a stage without seeds that repeat the experiment's."""
    found: dict[str, Any] = {}
    for part in READS[stage]:
        found |= list_changed_settings(config[part], part)
    return {name: value for name, value in found.items() if not (_is_seed(name) and value == config["seed"])}


def _is_seed(name: str) -> bool:
    return name.rpartition(".")[2] == "seed"
