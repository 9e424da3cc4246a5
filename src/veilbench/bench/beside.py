"""Writes to temporary names next to the target and renames at the end, and cleans up after killed processes.

The name of a temporary file ends with the host's name. The process that works on it holds an operating-system lock,
which is released when the process ends, however it ends. A process id would not do: ids are reused, and mean nothing on
another host.
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

LONGEST = 100  # bytes of the target's name that are kept; with the additions a name must fit into 255 bytes


def name_beside(place: Path, kind: str) -> Path:
    """Return a new temporary name next to `place`; `kind` marks what it is for."""
    return place.with_name(f"{_begin(place, kind)}{secrets.token_hex(6)}@{_host()}")


@contextmanager
def create_beside(place: Path, kind: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """Create a temporary file or folder next to `place`, locked within the block and removed at its end if still there.

    Args:
        place: the file or folder that it will replace.
        kind: marks in the name what it is for.
        make: creates it at the path that it is given.
    """
    lock = None
    while lock is None:  # a process that cleans up may remove it between the two calls
        temporary = name_beside(place, kind)
        make(temporary)
        lock = try_lock(temporary)
    try:
        yield temporary
    finally:
        remove(temporary)
        os.close(lock)


@contextmanager
def lock_abandoned(place: Path, kind: str) -> Iterator[list[Path]]:
    """Lock and return what killed processes of this host have left next to `place`."""
    begin, end = _begin(place, kind), f"@{_host()}"
    there = [path for path in _entries(place.parent) if path.name.startswith(begin) and path.name.endswith(end)]
    locks = {path: lock for path in there if (lock := try_lock(path, needed=True)) is not None}
    try:
        yield sorted(locks)
    finally:
        for lock in locks.values():
            os.close(lock)


def try_lock(path: Path, needed: bool = False) -> int | None:
    """Lock a file or folder until the returned descriptor is closed; None if it is gone or another process holds it.

    Args:
        path: the file or folder to lock; other processes can still read and write it.
        needed: what to do if the file system has no locks: return None if True, otherwise a descriptor without a lock.
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
    """Remove a file or folder that this project wrote; on failure print a message instead of raising."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        print(f"cannot remove {path}: {error.strerror}; remove it by hand", file=sys.stderr)


@contextmanager
def write_whole_file(path: Path) -> Iterator[Path]:
    """Give an empty temporary file that replaces `path` at the end of the block, or is removed on any error.

    If `path` is a link, its target is replaced. Permissions are kept.

    Raises:
        OSError: the folder cannot be written to.
    """
    place = Path(os.path.realpath(path))
    with lock_abandoned(place, "part") as abandoned:
        for path_left in abandoned:
            remove(path_left)
    with create_beside(place, "part", lambda new: new.touch(exist_ok=False)) as partial:
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
