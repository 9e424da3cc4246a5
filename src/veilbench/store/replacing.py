"""Changing a file that others read: one writer at a time, and the old file until the new one is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from veilbench.errors import UserError

WAIT = 60.0  # seconds for other writers


@contextmanager
def locked(path: Path, wait: float = WAIT) -> Iterator[Path]:
    """Nobody else changes the file meanwhile; gives the path with links followed.

    The lock is an empty file beside it, `.<name>.lock`, which stays where the file is there in the end. It is the
    operating system's and ends with the process, however that ends. Readers need no lock.

    Args:
        path: the file, which need not be there.
        wait: seconds for other writers.

    Raises:
        UserError: the folder cannot be written, or another process holds the lock for too long.
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: the folder {path.parent} does not exist")
    lock = path.with_name(f".{path.name}.lock")
    mine = not lock.exists()
    try:
        with FileLock(lock, timeout=wait):
            try:
                yield path
            finally:
                if mine and not path.exists():  # nothing was made; who waits for a lock that is gone takes a new one
                    lock.unlink(missing_ok=True)
    except Timeout as error:
        waited = f"; waited {wait:.0f} seconds" if wait else ""
        raise UserError(f"{path} is being changed by another process{waited}") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def replace(path: Path, content: bytes) -> None:
    """Write beside the file and put the new one in its place; under its lock, so that one name beside is enough.

    A kill or a power cut leaves the old file or the new one, and at most a `.<name>.part` that the next change takes.
    """
    beside = path.with_name(f".{path.name}.part")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
