"""Reads the definition of a search over settings: objective, search space and number of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Positive
from veilbench.bench.yaml_file import read_yaml


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, uniform or log-uniform; integers if both ends are integers."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    low: float | int
    high: float | int
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low={self.low} must be below high={self.high}, and above 0 if log=true")


@dataclass(frozen=True)
class Search:
    """The settings of a search, as in a file of conf/search.

    Attributes:
        trials: total number of trials, finished or pruned, of all processes that work on the study.
        objective: the metric to optimise, in the notation of `objective` for sweeps.
        direction: whether to minimise or maximise the objective.
        watched: the training curve by which trials are pruned; None prunes no trial.
        space: settings by their dotted names, each with a list of choices or a range.
        seed: random seed of the sampler; a trial's number among those of the study is mixed in.
        sampler: "tpe" learns from the finished trials; "random" draws each trial independently of the others.
        lease: minutes without a sign of life after which another process repeats a trial.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    trials: int
    objective: str
    direction: Literal["minimize", "maximize"]
    space: Mapping[str, Range | Sequence[float | int | str | bool]]
    watched: str | None = None
    seed: int = 0
    sampler: Literal["tpe", "random"] = "tpe"
    lease: Positive = 5.0


def read_search(path: Path) -> Search:
    """Read and check the definition of a search.

    Raises:
        UserError: the file does not exist, or a value is not allowed.
    """
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml"))) or "none"
        raise UserError(f"no search {path.stem}; there are: {known}")
    try:
        return TypeAdapter(Search).validate_python(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {at}={first['input']!r} is not allowed: {first['msg'].lower()}") from error
