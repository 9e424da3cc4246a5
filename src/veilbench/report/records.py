"""Reading the records that the stages left, for the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from veilbench.errors import UserError
from veilbench.experiment import Config, load
from veilbench.findings import Findings

STAGES = ("train", "evaluate", "attack")
_FINDINGS = TypeAdapter(dict[str, Findings])


@dataclass(frozen=True)
class Record:
    """Everything on disk about one experiment.

    Attributes:
        name: the experiment's.
        config: its resolved configuration.
        found: stage -> name of the evaluation or attack -> what it found, with its cost.
    """

    name: str
    config: Config
    found: dict[str, dict[str, Findings]]

    def items(self) -> Iterator[tuple[str, str, Findings]]:
        """Stage, name and findings, in the order in which they were made."""
        for stage in STAGES:
            for name, findings in self.found[stage].items():
                yield stage, name, findings


def read(name: str, params: Path, results: Path) -> Record:
    """Read one experiment's configuration and its three records.

    Raises:
        UserError: a file is missing or damaged; the line names it.
    """
    config = load(params / f"{name}.yaml")
    return Record(name, config, {stage: _stage(name, stage, results / name / stage) for stage in STAGES})


def read_all(names: Sequence[str], params: Path, results: Path) -> list[Record]:
    """Read several experiments, in the order of `names`."""
    return [read(name, params, results) for name in names]


def _stage(name: str, stage: str, folder: Path) -> dict[str, Findings]:
    path = folder / "findings.json"
    text = _text(path, name, stage)
    costs = _json(folder / "cost.json", name, stage)
    try:
        found = _FINDINGS.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} is damaged at {at or 'its start'}: {first['msg']}") from error
    for key, findings in found.items():
        findings.cost = costs.get(key, {})
    return found


def _text(path: Path, name: str, stage: str) -> str:
    try:
        return path.read_text(encoding="utf8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; run `dvc repro {stage}@{name}`") from error


def _json(path: Path, name: str, stage: str) -> Any:
    try:
        return json.loads(_text(path, name, stage))
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error
