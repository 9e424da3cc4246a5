"""The test files that could notice a change to a file."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

LEFT_OUT = ("pipeline", "fuzz", "mutation")  # whole programs, which take minutes, and the tests of other tools
MOST = 8  # test files for one module
STEPS = 3  # from a module to those that import it


def related(root: Path, path: str) -> list[Path]:
    """Return the mirrored test file; or those that import the module, or else a module that does; or the folder's.

    Args:
        root: the repository.
        path: a file of `src/veilbench`, below the root.
    """
    inner = Path(path).relative_to("src/veilbench")
    folder = root / "tests" / inner.parent
    mirrored = folder / f"test_{inner.stem}.py"
    if mirrored.exists():
        return [mirrored]
    modules = {_module(root, root / path)}
    for _ in range(STEPS):
        if importing := [file for file in _files(root, "tests") if modules & _imported(file)]:
            return sorted(importing, key=lambda file: (not file.is_relative_to(folder), file))[:MOST]
        modules |= {_module(root, file) for file in _files(root, "src") if modules & _imported(file)}
    while not (nearby := sorted(folder.rglob("test_*.py"))):
        folder = folder.parent
    return nearby[:MOST]


def _module(root: Path, file: Path) -> str:
    return ".".join(file.relative_to(root / "src").with_suffix("").parts).removesuffix(".__init__")


@cache
def _files(root: Path, top: str) -> list[Path]:
    """All modules, or the test files that are small."""
    if top == "src":
        return sorted((root / "src").rglob("*.py"))
    tests = root / "tests"
    return [file for file in sorted(tests.rglob("test_*.py")) if file.relative_to(tests).parts[0] not in LEFT_OUT]


@cache
def _imported(file: Path) -> frozenset[str]:
    """What a file imports: modules, and the names in them, which may be modules."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)
