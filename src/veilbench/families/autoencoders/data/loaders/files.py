"""What every loader of files asks: is the file there, and which classes do these labels make?"""

from __future__ import annotations

from pathlib import Path

from veilbench.bench.errors import UserError


def existing(path: str, kind: str) -> Path:
    """The path of a file that exists.

    Args:
        path: as the user gave it; a relative one is seen from the folder that the pipeline runs in.
        kind: what it should hold, for the error.

    Raises:
        UserError: there is no such file.
    """
    found = Path(path)
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "there is no such file"
        raise UserError(f"{kind} {path}: {what}; put it there, or name another path in data.source")
    return found
