"""An experiment's configuration as plain data: checked against the constructors that it names, and built.

A resolved experiment is a plain dict with the keys `names`, `seed`, `objective`, `data`, `model`, `training`,
`trainer`, `evaluation`, `attack`, `tracking` and `digests`. Every node with a `_target_` names a class; the
node's other keys are its constructor's arguments, whose annotations say what is allowed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, TypeGuard, TypeVar, get_type_hints

from typing_extensions import get_protocol_members

from veilbench.bench.annotations import members
from veilbench.bench.contracts import UserModel
from veilbench.bench.errors import UserError, suggest
from veilbench.bench.limits import format_value, require_value
from veilbench.bench.roots import find_class, with_article
from veilbench.bench.trained_model import TrainedModel
from veilbench.bench.yaml_file import read_mapping

T = TypeVar("T")
Config = dict[str, Any]
SETTINGS = {  # what a stage reads of the configuration
    "prepare": ("data",),
    "train": ("seed", "model", "training", "trainer"),
    "evaluate": ("seed", "trainer", "evaluation"),
    "attack": ("seed", "trainer", "attack"),
}
MADE_BEFORE = {"prepare": (), "train": ("data",), "evaluate": ("data", "model"), "attack": ("data", "model")}


def check(node: Any, where: str = "") -> None:
    """Compare a resolved config with the signatures of the classes that it names.

    Raises:
        UserError: an unknown or missing key or a value of a wrong type; the line names the key, the value and
            what is allowed.
    """
    if isinstance(node, list):
        for index, child in enumerate(node):
            check(child, f"{where}[{index}]")
    if not isinstance(node, dict):
        return
    for key, child in node.items():
        check(child, f"{where}.{key}" if where else key)
    if "_target_" in node:
        _check_arguments(node, where)


def _check_arguments(node: Config, where: str) -> None:
    target = find_class(node["_target_"], object, f"{where}._target_")
    parameters = inspect.signature(target).parameters
    hints = get_type_hints(target.__init__, include_extras=True)
    given = {key: value for key, value in node.items() if key != "_target_"}
    for key, value in given.items():
        if key not in parameters:
            allowed = ", ".join(parameters) or "none"
            hint = suggest(key, parameters, f"{where}.")
            raise UserError(f"unknown key {where}.{key}={value}; allowed: {allowed}{hint}")
        if key in hints:
            _check_value(hints[key], value, f"{where}.{key}")
    named = {k: p for k, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    missing = [key for key, parameter in named.items() if parameter.default is parameter.empty]
    if lacking := [key for key in missing if key not in given]:
        raise UserError(f"missing key {where}.{lacking[0]} for {node['_target_']}")


def _is_built_later(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(map(_is_built_later, value.values()))
    return isinstance(value, list) and any(map(_is_built_later, value))


def _check_value(annotation: Any, value: Any, where: str) -> None:
    if _is_built_later(value):
        _check_part(annotation, value, where)
        return
    protocol = getattr(annotation, "_is_protocol", False)
    if dataclasses.is_dataclass(annotation) or inspect.isabstract(annotation) or protocol:
        name = str(getattr(annotation, "__name__", annotation))
        raise UserError(f"{where}={value!r} is not allowed: {with_article(name)} is described by its _target_")
    try:
        require_value(annotation, value, where)
    except ValueError as error:
        raise UserError(str(error)) from error


def _check_part(annotation: Any, value: Any, where: str) -> None:
    """Check that a part is of a class that the argument takes; parts within lists and dicts are left to the builder."""
    if not isinstance(value, dict) or "_target_" not in value:
        return
    kinds = [kind for kind in members(annotation) if kind is not NoneType]
    if Any in kinds or not all(inspect.isclass(kind) for kind in kinds):
        return
    found = find_class(value["_target_"], object, f"{where}._target_")
    if not any(_fits(found, kind) for kind in kinds):
        names = " or ".join(with_article(kind.__name__) for kind in kinds)
        raise UserError(f"{where}._target_={value['_target_']} is not allowed: it is not {names}")


def _fits(found: type, kind: type) -> bool:
    if getattr(kind, "_is_protocol", False):
        return all(hasattr(found, name) for name in get_protocol_members(kind))
    return issubclass(
        found, TrainedModel if issubclass(kind, TrainedModel) else kind
    )  # a baseline may become another model


def build(node: Any) -> Any:
    """Construct the object that a config node describes, its parts first; a `UserModel` becomes what it stands for.

    Raises:
        UserError: a constructor refused a value.
    """
    if isinstance(node, list):
        return [build(child) for child in node]
    if not isinstance(node, dict):
        return node
    if "_target_" not in node:
        return {key: build(child) for key, child in node.items()}
    kind = find_class(node["_target_"], object, "_target_")
    made = _construct(kind, _arguments(kind, node))
    return made.as_model() if isinstance(made, UserModel) else made


def _arguments(kind: type, node: Mapping[str, Any]) -> dict[str, Any]:
    """Construct a node's arguments, except for those that the class takes as nodes, see `TrainedModel.takes_nodes`."""
    kept = getattr(kind, "takes_nodes", ())
    return {key: child if key in kept else build(child) for key, child in node.items() if key != "_target_"}


def build_as(kind: type[T], node: Mapping[str, Any], where: str) -> T:
    """Check and construct an object out of a file that anybody may have written.

    Args:
        kind: the class that the object must be of, or be derived from.
        node: the class as `_target_`, and its constructor's arguments.
        where: the place of the node in the file.

    Raises:
        UserError: the class is of another kind, or a value is not allowed.
    """
    found = find_class(node.get("_target_"), kind, f"{where}._target_")
    check(node, where)
    return _construct(found, _arguments(found, node))


def _construct(kind: type[T], arguments: Mapping[str, Any]) -> T:
    try:
        return kind(**arguments)
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise UserError(f"{kind.__name__}: {error}") from error


def part(config: Config, key: str) -> Any:
    """Check and construct one part of a resolved experiment, such as its model.

    Raises:
        UserError: the file that the experiment was read from lacks it, or holds what is not allowed.
    """
    if not isinstance(node := config.get(key), dict):
        raise UserError(f"the resolved experiment has no {key}: {key}={node!r}; run `dvc repro resolve`")
    check(node, key)
    return build(node)


def named(arguments: Sequence[str], what: str) -> str:
    """Return the name that the command of a stage was given.

    Args:
        arguments: arguments of the command.
        what: what the name stands for, in capitals.

    Raises:
        UserError: there is none or more than one, or it is a path: results would be written elsewhere.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError(f"this stage takes one argument, {what}, and not: {' '.join(arguments) or 'none'}")
    if (name := arguments[0]) in ("", ".", "..") or "/" in name:
        raise UserError(f"{what}={name!r} is not allowed: input should be a name of params/, without a folder")
    return name


def load(path: Path) -> Config:
    """Read a resolved experiment.

    Args:
        path: a file of params/, or the experiment.yaml of a sweep's job.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    config = _read(path, tuple(SETTINGS))
    names: Any = config.get("names")
    if not _texts(names) or not isinstance(names.get("data"), str):
        raise UserError(f"{path} is damaged: names={format_value(names)}; run `dvc repro -f resolve`")
    seed = config.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(
            f"{path} is damaged: seed={format_value(seed)} is no whole number of 0 or more; run `dvc repro -f resolve`"
        )
    data = config.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("_target_"), str):
        raise UserError(f"{path} is damaged: data={format_value(data)} names no class; run `dvc repro -f resolve`")
    return config


def load_data(path: Path) -> Config:
    """Read a resolved data set, a file of params/data/; see `load`."""
    return _read(path, ("prepare",))


def _read(path: Path, stages: Sequence[str]) -> Config:
    """What stands in a file of params/, with the digests of these stages."""
    if not path.is_file():
        there = sorted(one.stem for one in path.parent.glob("*.yaml") if one.is_file())
        known = ", ".join(there) or "none; run `dvc repro resolve`"
        raise UserError(f"no resolved experiment {path.stem}; there are: {known}")
    config = read_mapping(path)
    digests: Any = config.get("digests")
    if not _texts(digests) or not all(isinstance(digests.get(stage), str) for stage in stages):
        raise UserError(f"{path} is damaged: digests={format_value(digests)}; run `dvc repro -f resolve`")
    return config


def _texts(node: Any) -> TypeGuard[dict[str, str | None]]:
    """Whether this holds names, each with a text or nothing."""
    return isinstance(node, dict) and all(isinstance(value, str | None) for value in node.values())


def identity(config: Config) -> str:
    """16 hexadecimal digits for everything that an experiment's numbers depend on: parameters and code."""
    relevant = {key: value for key, value in config.items() if key not in ("tracking", "objective")}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]
