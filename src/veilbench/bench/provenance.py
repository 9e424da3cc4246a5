"""Records with which settings and code a stage wrote its outputs.

Each stage writes `made_by.json` into its folder: its own digest and those of the stages before it. The next stage, the
report and the tracking compare them with the digests of their experiment, so that a model of one experiment is never
evaluated or published under the name of another. The file also lists what the stage wrote, so that only this is removed
when the stage runs again.
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
    """Write the digests of a stage and of the stages before it into the stage's folder; call it last."""
    digests = {name: config["digests"][name] for name in (*BEFORE[stage], stage)}
    signed = {"stage": stage, "digests": digests, "files": sorted({FILE, *(path.name for path in folder.iterdir())})}
    (folder / FILE).write_text(json.dumps(signed, indent=1) + "\n", encoding="utf8")


def list_written(folder: Path) -> list[str]:
    """Return the names of the entries that a stage wrote into a folder; only made_by.json if it is not signed."""
    try:
        signed = json.loads((folder / FILE).read_text(encoding="utf8"))
        return [FILE, *map(str, signed["files"])]
    except (OSError, ValueError, KeyError, TypeError):
        return [FILE]


def require(folder: Path, stage: str, config: Config) -> None:
    """Check that a stage's folder was made with an experiment's settings and code.

    Args:
        folder: the folder that the stage wrote.
        stage: name of the stage: prepare, train, evaluate or attack.
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
        signed_stage, signed_digests = signed["stage"], dict(signed["digests"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged: {error!r}; {remedy}") from error
    if signed_stage != stage:
        raise UserError(f"{folder} was written by the stage {signed_stage}, not by {stage}; {remedy}")
    for name in (*BEFORE[stage], stage):
        if signed_digests.get(name) != config["digests"][name]:
            raise UserError(
                f"{folder} was made with other settings or code: its digest of the stage `{name}` is "
                f"{signed_digests.get(name)}, and that of this experiment is {config['digests'][name]}; {remedy}"
            )
