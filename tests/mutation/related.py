"""The test files that could notice a change to a file."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

LEFT_OUT = ("pipeline", "fuzz", "mutation")  # whole programs, which take minutes, and the tests of other tools


def related(root: Path, path: str) -> list[Path]:
    """Return the mirrored test file; or the test files that import the module; or those of the mirrored folder.

    Args:
        root: the repository.
        path: a file of `src/veilbench`, below the root.
    """
    inner = Path(path).relative_to("src/veilbench")
    folder = root / "tests" / inner.parent
    mirrored = folder / f"test_{inner.stem}.py"
    if mirrored.exists():
        return [mirrored]
    module = ".".join(Path(path).with_suffix("").parts[1:]).removesuffix(".__init__")
    importing = [file for file in _test_files(root) if module in _imported(file)]
    if importing:
        return importing
    while not (nearby := sorted(folder.rglob("test_*.py"))):
        folder = folder.parent
    return nearby


@cache
def _test_files(root: Path) -> list[Path]:
    tests = root / "tests"
    found = [file for name in ("bench", "metrics") for file in tests.glob(f"{name}/**/test_*.py")]
    found += [file for file in tests.rglob("test_*.py") if file not in found]
    return [file for file in found if file.relative_to(tests).parts[0] not in LEFT_OUT]


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
