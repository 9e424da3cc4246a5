"""An experiment's configuration as plain data: checked against the constructors that it names, and built.

A resolved experiment is a plain dict with the keys `names`, `seed`, `objective`, `data`, `model`, `training`,
`trainer`, `evaluation`, `attack`, `tracking` and `digests`. Every node with a `_target_` names a class; the
node's other keys are its constructor's arguments, whose annotations say what is allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import inspect
import json
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from veilbench.errors import UserError
from veilbench.limits import require_value

Config = dict[str, Any]
SETTINGS = {  # what a stage reads of the configuration
    "prepare": ("data",),
    "train": ("seed", "model", "training", "trainer"),
    "evaluate": ("seed", "trainer", "evaluation"),
    "attack": ("seed", "trainer", "attack"),
}
MADE_BEFORE = {"prepare": (), "train": ("data",), "evaluate": ("data", "model"), "attack": ("data", "model")}


def locate(target: str, where: str) -> Any:
    """The class or function that a `_target_` names.

    Raises:
        UserError: there is none.
    """
    module, _, name = str(target).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{where}._target_={target} names nothing that can be imported: {error}") from error
    if not callable(found):
        raise UserError(f"{where}._target_={target} is not a class or function")
    return found


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
    target = locate(node["_target_"], where)
    function = target.__init__ if inspect.isclass(target) else target
    parameters = inspect.signature(target).parameters
    hints = get_type_hints(function, include_extras=True)
    given = {key: value for key, value in node.items() if not key.startswith("_")}
    for key, value in given.items():
        if key not in parameters:
            close = difflib.get_close_matches(key, parameters, 1)
            hint = f"; did you mean {where}.{close[0]}?" if close else ""
            raise UserError(f"unknown key {where}.{key}={value}; allowed: {', '.join(parameters) or 'none'}{hint}")
        if not _is_built_later(value) and key in hints:
            _check_value(hints[key], value, f"{where}.{key}")
    missing = [k for k, p in parameters.items() if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    if lacking := [key for key in missing if key not in given]:
        raise UserError(f"missing key {where}.{lacking[0]} for {node['_target_']}")


def _is_built_later(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(map(_is_built_later, value.values()))
    return isinstance(value, list) and any(map(_is_built_later, value))


def _check_value(annotation: Any, value: Any, where: str) -> None:
    protocol = getattr(annotation, "_is_protocol", False)
    if dataclasses.is_dataclass(annotation) or inspect.isabstract(annotation) or protocol:
        name = getattr(annotation, "__name__", annotation)
        raise UserError(f"{where}={value!r} is not allowed: a {name} is described by its _target_")
    try:
        require_value(annotation, value, where)
    except ValueError as error:
        raise UserError(str(error)) from error


def build(node: Any) -> Any:
    """Construct the object that a config node describes, its parts first.

    Raises:
        UserError: a constructor refused a value.
    """
    if isinstance(node, list):
        return [build(child) for child in node]
    if not isinstance(node, dict):
        return node
    parts = {key: build(child) for key, child in node.items() if key != "_target_"}
    if "_target_" not in node:
        return parts
    try:
        return locate(node["_target_"], "")(**parts)
    except ValueError as error:
        raise UserError(f"{node['_target_'].rpartition('.')[2]}: {error}") from error


def load(path: Path) -> Config:
    """Read a resolved experiment.

    Raises:
        UserError: there is no such file.
    """
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none; run `dvc repro resolve`"
        raise UserError(f"no resolved experiment {path.stem}; there are: {known}")
    return dict(yaml.safe_load(path.read_text(encoding="utf8")))


def identity(config: Config) -> str:
    """16 hexadecimal digits for everything that an experiment's numbers depend on: parameters and code."""
    relevant = {key: value for key, value in config.items() if key not in ("tracking", "objective")}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]
