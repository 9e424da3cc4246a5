"""One writer at a time: a lock on a file, which ends with the process that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from veilbench.bench.errors import UserError

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
        os.close(os.open(lock, os.O_CREAT | os.O_RDWR, 0o644))  # FileLock waits where no file can ever be made
        with FileLock(lock, timeout=wait):
            try:
                yield path
            finally:
                if mine and not path.is_file():  # nothing was made; who waits for a lock that is gone takes a new one
                    lock.unlink(missing_ok=True)
    except Timeout as error:
        waited = f"; waited {wait:.0f} seconds" if wait else ""
        raise UserError(f"{path} is being changed by another process{waited}") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
