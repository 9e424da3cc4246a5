"""Finds the source files that an experiment uses, and computes a digest of their code, that of plug-ins included.

Imports are read from the syntax tree of each file, including imports inside functions; nothing is executed. The digest
depends on the code, but not on comments and formatting.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from veilbench.bench.homes import PACKAGE, find_root, list_homes

NAME = PACKAGE.name


def module_file(module: str) -> Path | None:
    """Return the file of a module of a registered package, or None if there is no such module."""
    if (root := find_root(module)) is None:
        return None
    name, place = root
    path = place.joinpath(*module.removeprefix(name).split(".")[1:])
    candidates = (path, path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _files(module: str) -> Iterator[Path]:
    """Yield the files that an import of a module runs: its own, and those of the packages around it.

    The packages of veilbench itself only hold docstrings and names for others to import; they are left out.
    """
    if file := module_file(module):
        yield file
        parts = module.split(".")[:-1]
        if parts and parts[0] != NAME:
            yield from _files(".".join(parts))


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"), filename=str(path))


@cache
def _code(path: Path) -> bytes:
    return ast.dump(_parsed(path)).encode()


@cache
def find_imports(path: Path) -> frozenset[Path]:
    """Return the files of registered packages that the file at `path` imports directly."""
    names: set[str] = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return frozenset(file for name in names if name for file in _files(name))


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """Return the full name of the module that a `from` statement names, perhaps relative to its file."""
    if not node.level:
        return node.module or ""
    package = _module(path).split(".")
    cut = node.level - (path.name == "__init__.py")
    above = package[: len(package) - cut] if cut else package
    return ".".join([*above, *([node.module] if node.module else [])])


def find_reached(roots: Iterable[Path]) -> list[Path]:
    """Return `roots` and every file of registered packages that they import, directly or indirectly."""
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
        entry: path of the module that runs the stage.
        node: the part of the experiment's config that the stage reads.

    Returns:
        16 hexadecimal digits.
    """
    targets = (file for target in find_targets(node) for file in _files(target.rpartition(".")[0]))
    files = {_module(path): path for path in find_reached([entry, *targets])}
    hashed = hashlib.sha256()
    for name in sorted(files):  # by names instead of paths, so that the location of the code does not matter
        hashed.update(name.encode())
        hashed.update(_code(files[name]))
    return hashed.hexdigest()[:16]


@cache
def _module(path: Path) -> str:
    """Return the dotted name of the module that a file is: `veilbench.bench.roots`.

    Raises:
        LookupError: the file lies in no registered package.
    """
    for home in list_homes():
        for name, place in home.code.items():
            if path == place:
                return name
            if path.is_relative_to(place):
                parts = path.relative_to(place).with_suffix("").parts
                return ".".join([name, *parts]).removesuffix(".__init__")
    raise LookupError(f"{path} lies in no registered package")
