"""Finds the settings of an experiment that differ from the defaults of the constructors that they belong to."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from veilbench.bench.defaults import TARGET, describe
from veilbench.bench.roots import find_class


def list_changed_settings(node: Any, name: str) -> dict[str, Any]:
    """Return the plain values below a node that are not defaults, by their dotted names.

    Args:
        node: part of a resolved configuration, such as its model; mappings with a `_target_` name a class.
        name: dotted name of the node, with which the names in the result begin.

    Returns:
        Values of arguments without a default, and those that differ from it. A part of another class than the default's
        is listed by the name of its class, with what differs from that class's own defaults.

    Raises:
        UserError: a `_target_` is not a class that may be named.
    """
    return dict(_changed(node, None, name))


def _changed(node: Any, default: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield what differs from `default`, the plain form of the value that the constructor would take without it."""
    if node == default:
        return
    if not isinstance(node, dict):
        yield name, node
        return
    usual = default if isinstance(default, Mapping) and default.get(TARGET) == node.get(TARGET) else _defaults(node)
    for key, child in node.items():
        if key != TARGET:
            yield from _changed_part(child, usual.get(key), f"{name}.{key}")


def _changed_part(node: Any, default: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield a part's class if it is another one than the default's, and what differs within the part."""
    target = node.get(TARGET) if isinstance(node, dict) else None
    if target and not (isinstance(default, Mapping) and default.get(TARGET) == target):
        yield name, str(target).rpartition(".")[2]
    yield from _changed(node, default, name)


def _defaults(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a node's class in plain form; none for a node without a class."""
    if TARGET not in node:
        return {}
    found: dict[str, Any] = {}
    for one in inspect.signature(find_class(node[TARGET], object, TARGET)).parameters.values():
        with suppress(TypeError):  # a default without a plain form differs from every value of a configuration
            found |= {} if one.default is one.empty else {one.name: describe(one.default)}
    return found
