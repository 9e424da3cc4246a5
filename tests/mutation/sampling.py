"""Mutants of the files of a folder, and a random draw of them."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .changes import changes
from .places import changeable

SHOWN = 90  # characters of each side of a change


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes:
        path: the file, below the repository's root.
        line: of the changed text.
        function: the first line of the function that it is in, 0 where it is in none.
        kind: of the change.
        before: the text that is replaced.
        after: what takes its place.
        source: the whole file afterwards.
    """

    path: str
    line: int
    function: int
    kind: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """The mutant for a table, in one line."""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}:{self.line}: {before[:SHOWN]} -> {after[:SHOWN]}"


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a file.

    Args:
        path: the file, for the mutants' names.
        source: its text.
    """
    for node, function in changeable(ast.parse(source)):
        for kind, changed in changes(node):
            start, end = (_offset(source, *at) for at in _ends(node))
            after = ast.unparse(ast.fix_missing_locations(changed))
            if isinstance(node, ast.expr) and not isinstance(node, (ast.Constant, ast.Call)):
                after = f"({after})"
            mutated = source[:start] + after + source[end:]
            yield Mutant(path, node.lineno, function, kind, source[start:end], after, mutated)


def _ends(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _offset(source: str, line: int, column: int) -> int:
    """The place in a text; the columns of a syntax tree count bytes."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def drawn(root: Path, folders: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Draw mutants of all Python files below some folders, no two of which are the same.

    Args:
        root: the repository.
        folders: below `src/veilbench`; `families/*/attacks` is several.
        count: how many; all where there are fewer.
        seed: the same mutants come for the same seed and code; a greater `count` adds to them at the end.
    """
    base = root / "src" / "veilbench"
    found = sorted({file for folder in folders for place in base.glob(folder) for file in _files(place)})
    every = [mutant for file in found for mutant in mutants(file.relative_to(root).as_posix(), file.read_text("utf8"))]
    unique = list({mutant.source: mutant for mutant in every}.values())
    random.Random(seed).shuffle(unique)
    return unique[:count]


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else list(place.rglob("*.py"))
