"""Runs `dvc repro` on several cores: `python pipelines/repro.py [JOBS]`, by default one job per core.

DVC runs one stage after the other. This script runs several `dvc repro` at once, each on a few experiments at a time,
and a last one for what is left. The outputs equal those of a single `dvc repro`. After a kill, the same command
continues.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.workflow.dvc_state import keep, mend
from veilbench.workflow.forking import SOCKET
from veilbench.workflow.listed import read_listed, read_staged
from veilbench.workflow.resolve import READ_LATER

TOUR = "--tour"
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
    """Rebuild experiments, and return the exit status: DVC's own, or 1 for any failure.

    Args:
        arguments: number of jobs, by default one for each core; and `--tour` for the experiments of conf/tour.yaml
            alone.

    Raises:
        UserError: the number of jobs is none, the tour names no experiment of the pipeline, params/ is damaged, or
            dvc.lock is damaged and has no copy.
    """
    tour = TOUR in arguments
    rest = [word for word in arguments if word != TOUR]
    jobs = rest[0] if rest else str(os.cpu_count() or 1)
    if not jobs.isdecimal() or not int(jobs) or len(rest) > 1:
        raise UserError(f"jobs={' '.join(rest)} is not allowed: one whole number, 1 or more")
    mend()
    keep()
    with start_server():
        return _rebuild_tour(int(jobs)) if tour else _rebuild_all(int(jobs))


def _rebuild_all(jobs: int) -> int:
    if not dvc("resolve"):
        return 1
    return 0 if _rebuild(read_staged(), jobs) and dvc() else 1


def _rebuild_tour(jobs: int) -> int:
    """Rebuild the experiments of the tour, and the report and tracking of whatever results there are."""
    if not dvc("resolve"):
        return 1
    staged, names = read_staged(), read_listed("tour.yaml")
    if unknown := [name for name in names if name not in staged]:
        raise UserError(f"conf/tour.yaml: {unknown[0]} is not in conf/pipeline.yaml")
    done = _rebuild({name: staged[name] for name in names}, jobs)
    return 0 if done and dvc("--single-item", "report", "track") else 1


def _rebuild(experiments: dict[str, str], jobs: int) -> bool:
    if not dvc(*(f"prepare@{name}" for name in dict.fromkeys(experiments.values()))):
        return False
    with ThreadPoolExecutor(jobs) as pool:
        return all(list(pool.map(rebuild, portions(experiments))))


@contextmanager
def start_server() -> Iterator[None]:
    """Run a server of forks, see `forking`, within the block; stages started by then wait for nothing."""
    with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
        path = Path(folder) / "forks"
        command = [sys.executable, "-m", "veilbench.workflow.forking", str(path), str(os.getpid())]
        server = subprocess.Popen(command)
        os.environ[SOCKET] = str(path)
        try:
            yield
        finally:
            del os.environ[SOCKET]
            server.kill()
            server.wait()
