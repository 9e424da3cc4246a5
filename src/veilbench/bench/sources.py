"""Which source files does an experiment reach, and have they changed?

The imports of every file are read from its syntax tree, at any depth, so that an import inside a function
counts too; nothing is executed. Comments and formatting do not enter a digest, code does.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
NAME = PACKAGE.name


def module_file(module: str) -> Path | None:
    """The file of a module of this package, or None if there is no such module."""
    if module.partition(".")[0] != NAME:
        return None
    path = PACKAGE.parent.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"), filename=str(path))


@cache
def _code(path: Path) -> bytes:
    return ast.dump(_parsed(path)).encode()


@cache
def imports(path: Path) -> frozenset[Path]:
    """The files of this package that the file at `path` imports, directly."""
    names: set[str] = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(file for name in names if (file := module_file(name)))


def reached(roots: Iterable[Path]) -> list[Path]:
    """`roots` and every file of this package that they import, over any number of steps."""
    seen: set[Path] = set()
    todo = list(roots)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(imports(path))
    return sorted(seen)


def targets(node: object) -> Iterator[str]:
    """Every `_target_` in a resolved config, at any depth."""
    if isinstance(node, dict):
        if isinstance(target := node.get("_target_"), str):
            yield target
        for child in node.values():
            yield from targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from targets(child)


def digest(entry: Path, node: object) -> str:
    """A digest of the code behind one stage of one experiment.

    Args:
        entry: the stage's script.
        node: the part of the experiment's config that the stage reads.

    Returns:
        16 hexadecimal digits.
    """
    target_files = (module_file(target.rpartition(".")[0]) for target in targets(node))
    files = {_name(path): path for path in reached([entry, *(file for file in target_files if file)])}
    hashed = hashlib.sha256()
    for name in sorted(files):  # and not by paths, so that it does not matter where the code lies
        hashed.update(name.encode())
        hashed.update(_code(files[name]))
    return hashed.hexdigest()[:16]


def _name(path: Path) -> str:
    """A file's path below the folder that holds its package: `veilbench/data/text.py`, `pipelines/train.py`."""
    root = PACKAGE.parent if path.is_relative_to(PACKAGE) else path.parent.parent
    return path.relative_to(root).as_posix()
