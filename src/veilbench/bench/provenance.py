"""Ties what a stage wrote to the settings and the code that it was made with.

Each stage leaves `made_by.json` in its folder: its own digest and those of the stages before it. The next stage, the
report and the tracking compare them with the digests of the experiment that they work for, so that a model of one
experiment is never measured, or published, under the name of another. The file also names what the stage wrote, so
that nothing else is removed with it.
"""

from __future__ import annotations

import json
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config

FILE = "made_by.json"
BEFORE = {
    "prepare": (),
    "train": ("prepare",),
    "evaluate": ("prepare", "train"),
    "attack": ("prepare", "train"),
}


def sign(folder: Path, stage: str, config: Config) -> None:
    """Write the digests of a stage and of the stages before it into the stage's folder, once all else is in it."""
    digests = {name: config["digests"][name] for name in (*BEFORE[stage], stage)}
    signed = {"stage": stage, "digests": digests, "files": sorted({FILE, *(path.name for path in folder.iterdir())})}
    (folder / FILE).write_text(json.dumps(signed, indent=1) + "\n", encoding="utf8")


def written(folder: Path) -> list[str]:
    """Names of what a stage wrote into a folder; none where no stage signed it."""
    try:
        signed = json.loads((folder / FILE).read_text(encoding="utf8"))
        return [FILE, *map(str, signed["files"])]
    except (OSError, ValueError, KeyError, TypeError):
        return [FILE]


def require(folder: Path, stage: str, config: Config) -> None:
    """Check that a stage's folder was made with an experiment's settings and code.

    Args:
        folder: what the stage wrote.
        stage: prepare, train, evaluate or attack.
        config: the resolved experiment that the folder is used for.

    Raises:
        UserError: the folder is not signed, or was made with other settings or code.
    """
    path = folder / FILE
    remedy = f"run the stage `{stage}` again"
    if not path.is_file():
        raise UserError(f"{path} is missing, so it cannot be told what {folder} was made with; {remedy}")
    try:
        signed = json.loads(path.read_text(encoding="utf8"))
        made, found = signed["stage"], dict(signed["digests"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged: {error!r}; {remedy}") from error
    if made != stage:
        raise UserError(f"{folder} was written by the stage {made}, not by {stage}; {remedy}")
    for name in (*BEFORE[stage], stage):
        if found.get(name) != config["digests"][name]:
            raise UserError(
                f"{folder} was made with other settings or code: its digest of the stage `{name}` is "
                f"{found.get(name)}, and that of this experiment is {config['digests'][name]}; {remedy}"
            )
