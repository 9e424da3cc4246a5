"""Stops the processes of a deployment whose parent was killed; they run in separate sessions and would survive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE = 5.0  # seconds between SIGTERM and SIGKILL; on SIGTERM, a SuperLink stops its own children


@contextmanager
def warden() -> Iterator[Callable[[int], None]]:
    """Start a process that stops registered process groups if this process is killed.

    It waits on a pipe that only this process holds open, which the operating system closes however this process ends.
    If the block is left normally, no process group is stopped: the block must do so itself.

    Yields:
        A function that registers a process group by its id.
    """
    command, pipe = [sys.executable, __file__], subprocess.PIPE
    watching = subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, start_new_session=True)
    assert watching.stdin is not None
    told = watching.stdin

    def tell(group: int) -> None:
        told.write(b"%d\n" % group)
        told.flush()

    try:
        yield tell
    finally:
        watching.kill()
        watching.wait()
        told.close()


def main() -> None:
    """Read process groups until the pipe is closed, then stop them."""
    groups = [int(line) for line in sys.stdin]
    _send(groups, signal.SIGTERM)
    ends = time.monotonic() + GRACE
    while time.monotonic() < ends and _send(groups, 0):
        time.sleep(0.2)
    _send(groups, signal.SIGKILL)


def _send(groups: list[int], which: int) -> bool:
    """Send a signal to all groups; return whether any of them exists."""
    there = False
    for group in groups:
        try:
            os.killpg(group, which)
            there = True
        except (ProcessLookupError, PermissionError):
            continue
    return there


if __name__ == "__main__":
    main()
