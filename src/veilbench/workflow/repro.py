"""Runs `dvc repro` on several cores: `python pipelines/repro.py [JOBS]`, by default one job per core.

DVC runs one stage after the other. This script runs several `dvc repro` at once: on data sets, then on a few
experiments at a time, then on report and tracking, and a last one for what is left. The outputs equal those of a single
`dvc repro`. After a kill, the same command continues.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Any

from veilbench.bench.errors import UserError
from veilbench.workflow import dvc_quick
from veilbench.workflow.dvc_state import keep, mend
from veilbench.workflow.fork_server import start_server
from veilbench.workflow.listed import read_listed, read_staged
from veilbench.workflow.resolve import READ_LATER
from veilbench.workflow.stage_log import DvcOutput, StageLog, pass_errors_on
from veilbench.workflow.unchanged import CompleteRun

TOUR, THREADS = "--tour", "OMP_NUM_THREADS"
FIRST, STAGES, LAST = ("resolve",), ("train", "evaluate", "attack"), ("report", "track")
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


def dvc(log: StageLog, *arguments: str) -> bool:
    """Run `dvc repro` as a process that ends with this one, and return whether it succeeded."""
    command = [sys.executable, "-P", dvc_quick.__file__, "--wait-for-lock", "repro", *arguments]
    tied = [sys.executable, "-m", "veilbench.bench.lifeline", str(os.getpid()), *command]
    environment, output = os.environ | {READ_LATER: "1"}, DvcOutput(log)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    with subprocess.Popen(tied, env=environment, **pipes) as process, ThreadPoolExecutor(1) as aside:
        aside.submit(pass_errors_on, process.stderr or ())
        for line in process.stdout or ():
            output.read(line)
    output.end(failed=process.returncode != 0)
    keep()
    return process.returncode == 0


def rebuild(log: StageLog, batches: list[list[str]], jobs: int) -> bool:
    """Run batches of stages, some at once, each by a `dvc repro` of its own; return whether all of them succeeded."""
    with ThreadPoolExecutor(jobs) as pool:
        return all(list(pool.map(lambda stages: dvc(log, "--single-item", *stages), batches)))


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
    run = CompleteRun("tour" if tour else "all")
    if run.is_current():
        print("Nothing has changed since the last complete run.")
        return 0
    run.forget()
    limit_threads(int(jobs))
    with start_server():
        status = _rebuild_tour(int(jobs)) if tour else _rebuild_all(int(jobs))
    if status == 0:
        run.write()
    return status


def limit_threads(jobs: int) -> None:
    """Let jobs that run at once share the cores, unless the environment says how many threads each has.

    Linear algebra uses all cores in each job otherwise, and the jobs wait for each other.
    """
    os.environ.setdefault(THREADS, str(max(1, (os.cpu_count() or 1) // jobs)))


def _rebuild_all(jobs: int) -> int:
    """Rebuild all experiments, and then whatever else is in dvc.yaml."""
    return _rebuild(read_listed(), jobs, whole=True)


def _rebuild_tour(jobs: int) -> int:
    """Rebuild the experiments of the tour, and the report and tracking of whatever results there are."""
    names, listed = read_listed("tour.yaml"), read_listed()
    if unknown := [name for name in names if name not in listed]:
        raise UserError(f"conf/tour.yaml: {unknown[0]} is not in conf/pipeline.yaml")
    return _rebuild(names, jobs, whole=False)


def _rebuild(names: list[str], jobs: int, whole: bool) -> int:
    """Rebuild some experiments, report and tracking, then the whole pipeline if asked to; return the exit status."""
    with StageLog() as log:
        if not dvc(log, "resolve"):
            return 1
        staged = read_staged()
        experiments = {name: staged[name] for name in names}
        data = dict.fromkeys(experiments.values())
        log.expect(len(FIRST) + len(data) + len(STAGES) * len(names) + len(LAST))
        prepared = [f"prepare@{name}" for name in data]
        chosen = portions(experiments) if whole else [[name] for name in names]
        made = [[f"{stage}@{name}" for name in portion for stage in STAGES] for portion in chosen]
        done = (
            rebuild(log, [prepared[job::jobs] for job in range(min(jobs, len(prepared)))], jobs)
            and rebuild(log, made, jobs)
            and rebuild(log, [[stage] for stage in LAST], jobs)
            and (not whole or dvc(log))
        )
        return 0 if done else 1
