"""Ends a stage when the `dvc repro` that started it ends.

Otherwise a killed `dvc repro` leaves its stage running, which would write into the folders of the next one. To run
another program in this way: `python -m veilbench.bench.lifeline PARENT PROGRAM [ARGUMENT ...]`, where PARENT is the id
of the process that starts it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Let the operating system end this process when its parent ends (Linux only; does nothing elsewhere).

    Args:
        parent: id of the process that started it; None expects DVC as the parent, if DVC runs the stage.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    orphaned = "DVC_ROOT" in os.environ and not _started_by_dvc() if parent is None else os.getppid() != parent
    if orphaned:  # the parent ended before the request took effect
        os.kill(os.getpid(), signal.SIGKILL)


def _started_by_dvc() -> bool:
    """Whether the parent is still DVC, or the shell with which DVC starts a stage."""
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return False
    return any(word in command for word in (b"dvc", b"pipelines/", b"veilbench"))


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
