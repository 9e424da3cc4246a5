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
def start_warden() -> Iterator[Callable[[int], None]]:
    """Start a process, the warden, that stops registered process groups if this process is killed.

    The warden waits on a pipe that only this process holds open. The operating system closes it when this process ends
    for any reason. If the block ends normally, no process group is stopped: the block must stop them itself.

    Yields:
        A function that registers a process group by its id.
    """
    command, pipe = [sys.executable, __file__], subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, start_new_session=True)
    assert process.stdin is not None
    groups = process.stdin

    def register(group: int) -> None:
        groups.write(b"%d\n" % group)
        groups.flush()

    try:
        yield register
    finally:
        process.kill()
        process.wait()
        groups.close()


def main() -> None:
    """Read process groups until the pipe is closed, then stop them."""
    groups = [int(line) for line in sys.stdin]
    _send(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and _send(groups, 0):
        time.sleep(0.2)
    _send(groups, signal.SIGKILL)


def _send(groups: list[int], which: int) -> bool:
    """Send a signal to all groups; return whether any of them exists."""
    exists = False
    for group in groups:
        try:
            os.killpg(group, which)
            exists = True
        except (ProcessLookupError, PermissionError):
            continue
    return exists


if __name__ == "__main__":
    main()
