"""Jobs of this user in Slurm's queue, by `squeue`. It needs no accounting database, which `sacct` does."""

from __future__ import annotations

import os
import subprocess

ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED", "TIMEOUT",
)  # fmt: skip


def read_queue() -> dict[str, str] | None:
    """Return the state of each job by its id, such as "4711_3"; None if the controller does not answer.

    Jobs that have ended are among them for some minutes.
    """
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i %T"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    pairs = [line.split() for line in said.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
