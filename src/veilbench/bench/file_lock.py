"""Lets one process at a time change a file, with a lock that is released when the process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from veilbench.bench.errors import UserError

WAIT = 60.0  # seconds to wait for other writers


@contextmanager
def lock_file(path: Path, wait: float = WAIT) -> Iterator[Path]:
    """Exclude other writers within the block; gives the path with links resolved. Readers need no lock.

    The operating system locks an empty file next to it, `.<name>.lock`, and releases the lock when the process ends,
    however it ends. The lock file stays if the block ends without an error and `path` exists then.

    Args:
        path: the file to change, which need not exist.
        wait: seconds to wait for other writers.

    Raises:
        UserError: the folder cannot be written, or another process holds the lock for too long.
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: the folder {path.parent} does not exist")
    lock = path.with_name(f".{path.name}.lock")
    mine = not lock.exists()
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_RDWR, 0o644))  # FileLock would wait if the file cannot be created
        with FileLock(lock, timeout=wait):
            done = False
            try:
                yield path
                done = True
            finally:
                if mine and not (done and path.is_file()):  # waiting processes create a new lock file
                    lock.unlink(missing_ok=True)
    except Timeout as error:
        waited = f"; waited {wait:.0f} seconds" if wait else ""
        raise UserError(f"{path} is being changed by another process{waited}") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
