"""Access to files, shared by the loaders."""

from __future__ import annotations

from pathlib import Path

from veilbench.bench.errors import UserError


def require_file(path: str, kind: str) -> Path:
    """Return the path of an existing file.

    Args:
        path: path as given by the user, relative to the folder that the pipeline runs in.
        kind: what the file should contain, for the error.

    Raises:
        UserError: the file does not exist.
    """
    found = Path(path)
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "there is no such file"
        raise UserError(f"{kind} {path}: {what}; put it there, or name another path in data.source")
    return found
