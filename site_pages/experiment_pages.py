"""The page about experiments, from conf/experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from attack_pages import FAMILIES
from repository import CONF, read_comment, read_yaml, table

HEAD = """# Experiments

An experiment is a file of `conf/experiment/`: it chooses a model, data, a training, evaluations and
[attacks](attacks.md). `veilbench run experiment=NAME` runs one; `make bench` runs those marked with •; `veilbench plan
experiment=NAME` says what would run, and about how long. This page is made from `conf/experiment/`.
"""


@dataclass
class Experiment:
    """What an experiment chooses.

    Attributes:
        chosen: the name that it chooses in each group, such as `{"model": "pca"}`.
        listed: the evaluations and the attacks that it chooses.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)


def read_experiment(name: str) -> Experiment:
    """Read what an experiment chooses, with the files that it is a change of."""
    found = Experiment({"data": read_default("data")})
    _read(name, found)
    return found


def read_default(group: str) -> str:
    """Return what conf/config.yaml chooses in a group."""
    choices = [one for one in read_yaml(CONF / "config.yaml")["defaults"] if isinstance(one, dict)]
    return next(str(one[group]) for one in choices if group in one)


def _read(name: str, found: Experiment) -> None:
    for choice in read_yaml(CONF / "experiment" / f"{name}.yaml").get("defaults", []):
        if isinstance(choice, str):
            if choice != "_self_":
                _read(_beside(name, choice), found)
            continue
        for key, value in choice.items():
            _choose(key.removeprefix("override /"), value, found)


def _beside(name: str, other: str) -> str:
    folder = name.rpartition("/")[0]
    return f"{folder}/{other}" if folder else other


def _choose(group: str, value: Any, found: Experiment) -> None:
    if isinstance(value, list):
        found.listed[group] = value
    else:
        found.chosen[group] = value


def family_of(name: str) -> str:
    """Return the family of an experiment: that of its model's class, or of the model that it is a change of."""
    model = read_experiment(name).chosen["model"]
    content = read_yaml(CONF / "model" / f"{model}.yaml")
    while "_target_" not in content:
        bases = [one for one in content["defaults"] if isinstance(one, str) and one != "_self_"]
        content = read_yaml(CONF / "model" / f"{bases[0].partition('@')[0]}.yaml")
    return str(content["_target_"].split(".")[2])


def describe_experiments() -> str:
    """Return the page about experiments: a table for each family."""
    names = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
    piped = read_yaml(CONF / "pipeline.yaml")["experiments"]
    parts = [HEAD]
    for family in FAMILIES:
        rows = [_row(name, name in piped) for name in names if family_of(name) == family]
        parts.append(f"## {family.capitalize()}\n\n" + table(["experiment", "what it is", "data", "attacks"], rows))
    return "\n".join(parts)


def _row(name: str, piped: bool) -> list[str]:
    found = read_experiment(name)
    attacks = ", ".join(f"[{one}](attacks.md#{one})" for one in found.listed.get("attack", []))
    model = found.chosen["model"]
    about = read_comment(CONF / "experiment" / f"{name}.yaml")
    about += f" Model: `{model}`." if model != name else ""
    return [f"`{name}`{' •' if piped else ''}", about, f"`{found.chosen['data']}`", attacks]
