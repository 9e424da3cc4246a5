"""What a process checks and counts before it computes a cell that another machine has sent it."""

from __future__ import annotations

import os
import socket

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import SETTINGS, Config
from veilbench.workflow.compose import stage_digest


def check_digests(config: Config) -> None:
    """Compare the digests of a resolved experiment with those of the code and the files on this machine.

    Raises:
        UserError: one differs.
    """
    if differing := [stage for stage in SETTINGS if stage_digest(stage, config) != config["digests"][stage]]:
        said = f"its code, settings or files on {socket.gethostname()} differ"
        raise UserError(f"{said}: another digest of {', '.join(differing)}")


def count_neighbours(cpus: int) -> int:
    """Return how many cells with this number of CPUs each fit onto this machine."""
    return max(1, len(os.sched_getaffinity(0)) // cpus)
