"""Runs `dvc repro` on several cores: `python pipelines/repro.py [JOBS]`, by default one job per core.

DVC runs one stage after the other. This script runs several `dvc repro` at once, each on a few experiments at a time,
and a last one for what is left. The outputs equal those of a single `dvc repro`. After a kill, the same command
continues.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.workflow.dvc_state import keep, mend
from veilbench.workflow.listed import read_staged
from veilbench.workflow.resolve import READ_LATER

STAGES = ("train", "evaluate", "attack")
AT_A_TIME = 4  # experiments per `dvc repro`, because starting DVC costs as much as one of its stages


def portions(experiments: dict[str, str]) -> list[list[str]]:
    """Split the experiments into portions of one data set each; adjacent portions have different data sets if possible.

    Attacks on the same data share cached controls. Portions that run at the same time should therefore use different
    data, so that controls are not computed twice.
    """
    of: dict[str, list[str]] = {}
    for name, data in experiments.items():
        of.setdefault(data, []).append(name)
    cut = [[names[at : at + AT_A_TIME] for at in range(0, len(names), AT_A_TIME)] for names in of.values()]
    return [portion for row in zip_longest(*cut) for portion in row if portion]


def dvc(*arguments: str) -> bool:
    """Run `dvc repro` as a process that ends with this one, and return whether it succeeded."""
    command = [str(Path(sys.executable).parent / "dvc"), "--wait-for-lock", "repro", *arguments]
    tied = [sys.executable, "-m", "veilbench.bench.lifeline", str(os.getpid()), *command]
    done = subprocess.run(tied, check=False, env=os.environ | {READ_LATER: "1"}).returncode == 0
    keep()
    return done


def rebuild(portion: list[str]) -> bool:
    """Run all stages of some experiments, once their data is prepared."""
    return dvc("--single-item", *(f"{stage}@{name}" for name in portion for stage in STAGES))


def main(arguments: list[str]) -> int:
    """Rebuild all experiments, and return the exit status: DVC's own, or 1 for any failure.

    Raises:
        UserError: the number of jobs is none, params/ is damaged, or dvc.lock is damaged and has no copy.
    """
    jobs = arguments[0] if arguments else str(os.cpu_count() or 1)
    if not jobs.isdecimal() or not int(jobs) or len(arguments) > 1:
        raise UserError(f"jobs={' '.join(arguments)} is not allowed: one whole number, 1 or more")
    mend()
    keep()
    if not dvc("resolve"):
        return 1
    experiments = read_staged()
    if not dvc(*(f"prepare@{name}" for name in dict.fromkeys(experiments.values()))):
        return 1
    with ThreadPoolExecutor(int(jobs)) as pool:
        done = list(pool.map(rebuild, portions(experiments)))
    return 0 if all(done) and dvc() else 1
