"""Reads YAML from people or other programs: each error is one line with the file, the line and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from veilbench.bench.errors import UserError

MOST_NODES, DEEPEST = 100_000, 100  # limits after aliases are expanded


class _Loader(yaml.CSafeLoader):
    """Loads plain types only, and refuses duplicate keys instead of keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping, and refuse a key that stands twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Read one file.

    Args:
        path: path of a YAML file in UTF-8.

    Returns:
        Dicts, lists, strings, numbers, booleans and None; None for an empty file.

    Raises:
        UserError: the file is missing, not UTF-8 or not YAML, has a duplicate key, or its aliases are cyclic or expand
            to too many values.
    """
    text = _text(path)
    try:
        root = yaml.compose(text, _Loader)
        _measure(path, root)
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path}{explain(error)}") from error


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a file that holds a mapping with text keys.

    Raises:
        UserError: the file holds something else, or `read_yaml` refuses it.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UserError(f"{path} holds {type(content).__name__} where keys with values are expected")
    return content


def explain(error: BaseException) -> str:
    """Format PyYAML's error with line and column: ", line 3, column 5: found a tab"."""
    if isinstance(error, RecursionError):
        return ": nested too deeply"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    said = " ".join(str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
    return f"{place}: {said or ' '.join(str(error).split())}"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: the byte {error.object[error.start]:#04x} is not UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _measure(path: Path, root: yaml.Node | None) -> None:
    """Refuse a document that expands to too much memory. A node counts once for each alias that refers to it.

    Raises:
        UserError: there are too many nodes, they are nested too deeply, or a node contains itself.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in open_nodes:
            raise UserError(f"{path}, line {node.start_mark.line + 1}: this node contains itself by an alias")
        if depth > DEEPEST:
            raise UserError(f"{path}, line {node.start_mark.line + 1}: nested more than {DEEPEST} deep")
        if id(node) not in sizes:
            open_nodes.add(id(node))
            children = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
            sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in children)
            open_nodes.discard(id(node))
        if sizes[id(node)] > MOST_NODES:
            raise UserError(f"{path}, line {node.start_mark.line + 1}: its aliases grow to over {MOST_NODES} values")
        return sizes[id(node)]

    if root is not None:
        size(root, 0)
