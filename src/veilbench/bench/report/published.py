"""Writes and reads rows to publish: those of the leaderboard with its metrics alone, and the version of the code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.family import family_named
from veilbench.bench.report.leaderboard import Row, check_rows
from veilbench.version import __version__


@dataclass(frozen=True)
class Published:
    """Rows that are published together.

    Attributes:
        rows: rows in the leaderboard's schema. Of the metrics they hold those that the family's leaderboard shows.
        commit: commit of the folder that they were written in, with "+" if tracked files were changed; empty outside of
            a git repository.
        version: version of veilbench.
    """

    rows: Sequence[Row]
    commit: str = ""
    version: str = __version__


def publish(rows: Sequence[Row], path: Path) -> None:
    """Write rows to a file that can be sent to others and compared.

    Args:
        rows: rows of the leaderboard.
        path: the file, which is replaced if it is a file of this kind or does not exist.

    Raises:
        UserError: the file holds something else, or cannot be written.
    """
    if path.exists():
        _read(path)
    found = Published([_shorten(row) for row in rows], find_commit())
    try:
        path.write_text(json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n", encoding="utf8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def load_published(path: Path) -> Published:
    """Read a file that `publish` has written.

    Raises:
        UserError: the file is missing or damaged, or holds something else.
    """
    found = _read(path)
    check_rows(found.rows, path)
    return found


def _read(path: Path) -> Published:
    """Read a file without comparing its rows with the schema: an earlier version may have written them."""
    try:
        return Published(**json.loads(path.read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is no file of published rows: {format_error(error)}") from error


def find_commit() -> str:
    """Return the commit of the working folder, with "+" if tracked files were changed; empty if there is none."""
    commit = _git("rev-parse", "HEAD")
    return commit + "+" if commit and _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _shorten(row: Row) -> Row:
    shown = {spec.metric for spec in family_named(row["family"]).columns}
    return {**row, "metrics": {name: metric for name, metric in row["metrics"].items() if name in shown}}
