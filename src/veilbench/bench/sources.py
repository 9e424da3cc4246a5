"""Finds the source files that an experiment uses, and computes a digest of their code.

Imports are read from the syntax tree of each file, including imports inside functions; nothing is executed. The digest
depends on the code, but not on comments and formatting.
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
    """Return the file of a module of this package, or None if there is no such module."""
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
def find_imports(path: Path) -> frozenset[Path]:
    """Return the files of this package that the file at `path` imports directly."""
    names: set[str] = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(file for name in names if (file := module_file(name)))


def find_reached(roots: Iterable[Path]) -> list[Path]:
    """Return `roots` and every file of this package that they import, directly or indirectly."""
    seen: set[Path] = set()
    todo = list(roots)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(find_imports(path))
    return sorted(seen)


def find_targets(node: object) -> Iterator[str]:
    """Yield every `_target_` in a resolved config, at any depth."""
    if isinstance(node, dict):
        if isinstance(target := node.get("_target_"), str):
            yield target
        for child in node.values():
            yield from find_targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from find_targets(child)


def digest(entry: Path, node: object) -> str:
    """Compute a digest of the code that one stage of one experiment uses.

    Args:
        entry: path of the stage's script.
        node: the part of the experiment's config that the stage reads.

    Returns:
        16 hexadecimal digits.
    """
    target_files = (module_file(target.rpartition(".")[0]) for target in find_targets(node))
    files = {_name(path): path for path in find_reached([entry, *(file for file in target_files if file)])}
    hashed = hashlib.sha256()
    for name in sorted(files):  # by names instead of paths, so that the location of the code does not matter
        hashed.update(name.encode())
        hashed.update(_code(files[name]))
    return hashed.hexdigest()[:16]


def _name(path: Path) -> str:
    """Return a file's path relative to the parent of its package: `veilbench/bench/roots.py`, `pipelines/train.py`."""
    root = PACKAGE.parent if path.is_relative_to(PACKAGE) else path.parent.parent
    return path.relative_to(root).as_posix()
