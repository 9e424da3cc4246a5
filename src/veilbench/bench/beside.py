"""What is written beside its place and put there whole: files, and the leftovers of processes that were killed.

A leftover's name ends with its host's, and whoever works on it holds the operating system's lock on it, which ends with
the process, however that ends: a number of a process would be given again, and says nothing on another host.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 100  # bytes of a name that stay readable; with what is added it must fit into 255


def beside(place: Path, kind: str) -> Path:
    """A new name beside `place`, for a leftover of this kind."""
    return place.with_name(f"{_begin(place, kind)}{secrets.token_hex(6)}@{_host()}")


@contextmanager
def fresh(place: Path, kind: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """Something new beside `place`, which is locked within the block and removed at its end, if it is there still."""
    lock = None
    while lock is None:  # whoever looks for leftovers may take it between the two calls
        made = beside(place, kind)
        make(made)
        lock = hold(made)
    try:
        yield made
    finally:
        remove(made)
        os.close(lock)


@contextmanager
def abandoned(place: Path, kind: str) -> Iterator[list[Path]]:
    """What killed processes of this host have left beside `place`; locked, so that nobody else takes it meanwhile."""
    begin, end = _begin(place, kind), f"@{_host()}"
    there = [path for path in _entries(place.parent) if path.name.startswith(begin) and path.name.endswith(end)]
    locks = {path: lock for path in there if (lock := hold(path, needed=True)) is not None}
    try:
        yield sorted(locks)
    finally:
        for lock in locks.values():
            os.close(lock)


def hold(path: Path, needed: bool = False) -> int | None:
    """Lock a file or a folder until the descriptor is closed; None where it is gone, or another process holds it.

    Args:
        path: to lock; its content can be read and written all the same.
        needed: None, too, where the file system knows no locks. Otherwise the descriptor then holds none.
    """
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = path.exists()
    except BlockingIOError:
        held = False
    except OSError:
        held = not needed
    if not held:
        os.close(lock)
        return None
    return lock


def remove(path: Path) -> None:
    """Remove a file or a folder that this project wrote; what cannot be removed is told."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        print(f"cannot remove {path}: {error.strerror}; remove it by hand", file=sys.stderr)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A new, empty file to write to, which takes the place of `path` at the end of the block, or vanishes on any error.

    The target of a link is replaced, not the link, and keeps its permissions.

    Raises:
        OSError: the folder cannot be written to.
    """
    place = Path(os.path.realpath(path))
    with abandoned(place, "part") as left:
        for one in left:
            remove(one)
    with fresh(place, "part", lambda made: made.touch(exist_ok=False)) as partial:
        yield partial
        if place.exists():
            shutil.copymode(place, partial)
        partial.replace(place)


def _begin(place: Path, kind: str) -> str:
    name = place.name
    if len(os.fsencode(name)) > LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}.{kind}-"


def _host() -> str:
    return socket.gethostname().replace("/", "") or "here"


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
