"""Fill in what a configuration leaves out: the defaults of the constructors that it names."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_type_hints

from veilbench.bench.annotations import members
from veilbench.bench.roots import find_class

TARGET = "_target_"


def fill(node: Any, where: str = "", instead: Mapping[str, Any] | None = None) -> Any:
    """Return a copy of a composed configuration with the default of every argument that it does not give.

    Args:
        node: plain data; mappings with a `_target_` name a class and some of its arguments.
        where: dotted name of the node, for error messages.
        instead: filled node whose class and arguments a mapping without a `_target_` takes over and changes. None
            leaves such a mapping as it is.

    Returns:
        The same structure. Arguments stand in the order of the signature, those that the constructor does not have
        last, for `experiment.check` to refuse.

    Raises:
        UserError: a `_target_` is not a class that may be named.
    """
    if isinstance(node, list):
        return [fill(child, f"{where}[{index}]") for index, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if TARGET not in node:
        if instead is None:
            return {key: fill(child, f"{where}.{key}" if where else str(key)) for key, child in node.items()}
        node = {**instead, **node}
    target = find_class(node[TARGET], object, f"{where}.{TARGET}")
    hints = get_type_hints(target.__init__, include_extras=True)
    filled = {TARGET: node[TARGET]}
    for key, parameter in inspect.signature(target).parameters.items():
        if key in node:
            filled[key] = fill(node[key], f"{where}.{key}", settings(parameter.default, hints.get(key)))
        elif parameter.default is not parameter.empty:
            filled[key] = describe(parameter.default)
    return filled | {key: child for key, child in node.items() if key not in filled}


def give_seed(node: Any, seed: int, where: str = "") -> Any:
    """Return a copy of a composed configuration in which each class that takes a `seed` and has none gets one.

    Args:
        node: plain data; mappings with a `_target_` name a class and some of its arguments.
        seed: seed of the experiment.
        where: dotted name of the node, for error messages.

    Raises:
        UserError: a `_target_` is not a class that may be named.
    """
    if isinstance(node, list):
        return [give_seed(child, seed, f"{where}[{index}]") for index, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    given = {key: give_seed(child, seed, f"{where}.{key}" if where else str(key)) for key, child in node.items()}
    kind = find_class(node[TARGET], object, f"{where}.{TARGET}") if TARGET in node else None
    takes_seed = kind is not None and "seed" in inspect.signature(kind).parameters
    return {**given, "seed": seed} if takes_seed and "seed" not in node else given


def settings(default: Any, annotation: Any) -> dict[str, Any] | None:
    """Return the settings that a mapping without a `_target_` changes.

    Args:
        default: default value of the argument, `inspect.Parameter.empty` if it has none.
        annotation: type annotation of the argument, as `typing.get_type_hints` returns it.

    Returns:
        The default if it is a dataclass; otherwise the one dataclass that the argument takes, with its own defaults.
        None if the argument takes something else.
    """
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        described: dict[str, Any] = describe(default)
        return described
    kinds = [kind for kind in members(annotation) if kind is not NoneType]
    only = kinds[0] if len(kinds) == 1 else None
    return {TARGET: _name(only)} if inspect.isclass(only) and dataclasses.is_dataclass(only) else None


def describe(value: Any) -> Any:
    """Return a default as plain data: a dataclass as a mapping with its `_target_`, a tuple as a list.

    Raises:
        TypeError: it has no plain form; a constructor of this project should not have such a default.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return {TARGET: _name(type(value)), **fields}
    if isinstance(value, Mapping):
        return {key: describe(child) for key, child in value.items()}
    if isinstance(value, Sequence):
        return [describe(child) for child in value]
    raise TypeError(f"the default {value!r} has no plain form")


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
