"""Ends a deployment whose deployer was killed: nobody else would, for its processes have sessions of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE = 5.0  # seconds from asking to killing; a SuperLink that is asked ends what it has started


@contextmanager
def warden() -> Iterator[Callable[[int], None]]:
    """A process that outlives this one for as long as it takes to end the process groups that it was told of.

    It waits at a pipe that only this process holds open, which the system closes however this process ends. Where the
    block is left in order nothing is ended: that is the block's own business.

    Yields:
        Tells it of one more group.
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
    """Read groups until the pipe ends, then end them."""
    groups = [int(line) for line in sys.stdin]
    _send(groups, signal.SIGTERM)
    ends = time.monotonic() + GRACE
    while time.monotonic() < ends and _send(groups, 0):
        time.sleep(0.2)
    _send(groups, signal.SIGKILL)


def _send(groups: list[int], which: int) -> bool:
    """Whether any group was there."""
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
