"""Claims: only one process computes a cell, and others see which machine that is and since when."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import Timeout

from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file

FOLDER = ".claims"  # below the sweep's folder
FRESH = 120.0  # seconds; a claim of another machine that is not renewed for longer counts as abandoned


@dataclass(frozen=True)
class Claim:
    """A process that computes a cell.

    Attributes:
        host: name of its machine.
        process: id of the process on that machine.
        began: time at which it began, in seconds since 1970.
    """

    host: str
    process: int
    began: float


class Claims:
    """The claims of one sweep, a file for each cell that is being computed.

    The operating system locks a file next to it as long as the process lives. On a file system whose locks do not reach
    other machines, a claim of another machine counts as long as it is renewed.

    Args:
        sweep: folder of the sweep.
    """

    def __init__(self, sweep: Path) -> None:
        self.folder = sweep / FOLDER

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Claim a cell within the block; gives False if another process holds it.

        Args:
            name: name of the cell.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path, held = self._path(name), False
        try:
            with lock_file(path, wait=0):
                held = True
                if self._is_renewed_elsewhere(path):
                    yield False
                    return
                path.write_text(json.dumps(asdict(Claim(socket.gethostname(), os.getpid(), time.time()))), "utf8")
                try:
                    yield True
                finally:
                    path.unlink(missing_ok=True)
        except UserError as error:
            if held or not isinstance(error.__cause__, Timeout):
                raise
            yield False

    def renew(self, name: str) -> None:
        """Say that the cell is still being computed; call it more often than every `FRESH` seconds."""
        with suppress(OSError):
            os.utime(self._path(name))

    def find(self, name: str) -> Claim | None:
        """Return the claim of a cell; None if no live process holds it."""
        path = self._path(name)
        claim = _read(path)
        if claim is None or self._is_renewed_elsewhere(path):
            return claim
        return claim if _is_locked(path) else None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _is_renewed_elsewhere(self, path: Path) -> bool:
        claim = _read(path)
        if claim is None or claim.host == socket.gethostname():
            return False
        with suppress(OSError):
            return time.time() - path.stat().st_mtime < FRESH
        return False


def _is_locked(path: Path) -> bool:
    try:
        with lock_file(path, wait=0):
            return False
    except UserError:
        return True


def _read(path: Path) -> Claim | None:
    try:
        return Claim(**json.loads(path.read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError):  # none, or just being written
        return None
