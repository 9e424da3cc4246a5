"""`sweep=slurm` as its user runs it, on two nodes of this machine: numbers, kills, jobs that are queued again."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from .cell_bench import EIGHT, SETTINGS, CellBench, is_alive, wait_until
from .slurm_nodes import PROGRAMS, Slurm, start_slurm

if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
    pytest.skip(f"Slurm is not installed: no {lacking[0]}", allow_module_level=True)
if find_spec("submitit") is None:
    pytest.skip("submitit is not installed", allow_module_level=True)
pytestmark = [pytest.mark.slow, pytest.mark.loopback]
ONE = ["evaluation.trouble.kind=wait", "sweep=slurm"]
HELD = ["evaluation.trouble.kind=hold", "sweep=slurm"]


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with (
        tempfile.TemporaryDirectory(prefix="sl-", ignore_cleanup_errors=True) as folder,
        start_slurm(Path(folder)) as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", str(started.configuration))
        yield started


def test_the_numbers_are_those_without_slurm(bench: CellBench, serial: dict[str, bytes], slurm: Slurm) -> None:
    assert bench.sweep_eight("sweep=slurm") == serial
    assert len(set(bench.processes())) == 8
    assert len(list(bench.cells.glob(".stages/train-*"))) == 4
    status, _, err = bench.sweep(*EIGHT, "sweep=slurm")
    assert (status, err) == (0, "8 cells in multirun/plain: 8 there already\n"), "no word about accounting"


def test_without_waiting_the_cells_are_queued_once_and_the_same_command_waits_for_them(
    bench: CellBench, slurm: Slurm
) -> None:
    status, _, err = bench.sweep(*HELD, "hydra.launcher.wait=false")
    assert status == 0
    assert "1 cells sent to Slurm (job " in err
    wait_until(bench.processes)
    assert bench.run("status", "multirun/plain")[1].startswith("done 0, running 1, failed 0, missing 0")
    process = bench.start("sweep", *SETTINGS, *HELD)
    (bench.folder / "go").touch()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    bench.check_completed("hold0")


def test_jobs_outlive_the_sweep_and_the_controller(bench: CellBench, slurm: Slurm) -> None:
    process = bench.start("sweep", *SETTINGS, *HELD)
    wait_until(bench.processes)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = bench.start("sweep", *SETTINGS, *HELD)
    assert again.stderr is not None
    assert "0 cells sent to Slurm, 1 are queued already (job " in again.stderr.readline() + again.stderr.readline()
    controller = slurm.daemons["slurmctld"]
    controller.kill()
    controller.wait()
    (bench.folder / "go").touch()
    _, err = again.communicate(timeout=300)
    slurm.start_controller()
    assert again.returncode == 0, err
    bench.check_completed("hold0")


def test_a_killed_job_is_a_failure_and_the_same_command_completes_the_sweep(bench: CellBench, slurm: Slurm) -> None:
    process = bench.start("sweep", *SETTINGS, *ONE)
    wait_until(bench.processes)
    (cell,) = bench.processes()
    job = next(one for one in psutil.Process(cell).parents() if "submitit.core._submit" in one.cmdline())
    job.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert " of Slurm ended without a record: FAILED" in err.splitlines()[-1]
    assert not is_alive(cell)
    (bench.folder / "go").touch()
    assert bench.sweep(*ONE)[0] == 0
    bench.check_completed("wait0", "wait0")


def list_steps(job: str) -> list[int]:
    """Return the ids of Slurm's processes for the steps of a job, also of its script."""
    names = [(one.pid, " ".join(one.info["cmdline"] or ())) for one in psutil.process_iter(["cmdline"])]
    return [process for process, name in names if name.startswith(f"slurmstepd: [{job}.")]


@pytest.mark.parametrize("cause", ["preempted", "out of time"])
def test_a_job_that_is_queued_again_goes_on_after_its_last_stage(bench: CellBench, slurm: Slurm, cause: str) -> None:
    process = bench.start("sweep", *SETTINGS, *ONE, "hydra.launcher.time_min=1")
    wait_until(bench.processes)
    (bench.folder / "go").touch()
    (trained,) = bench.cells.glob(".stages/train-*")
    before = trained.stat().st_mtime_ns
    (job,) = slurm.ask("squeue", "--noheader", "--states=RUNNING", "--format=%A").split()
    if cause == "preempted":
        slurm.ask("scontrol", "requeue", job)
    wait_until(lambda: "PENDING" in slurm.ask("squeue", "--noheader", "--format=%T"))
    wait_until(lambda: not list_steps(job), 30)  # an exit code that arrives later would end the next run
    slurm.ask("scontrol", "update", f"JobId={job}", "StartTime=now")  # Slurm would wait for two minutes
    _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert trained.stat().st_mtime_ns == before
    bench.check_completed("wait0", "wait0")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("hydra.launcher.partition=none", "Slurm refuses the cells: "),
        ("hydra.launcher.cpus=0", "hydra.launcher.cpus=0 is not allowed: input should be greater than or equal to 1"),
        ("hydra.launcher.wait=1", "hydra.launcher.wait=1 is not allowed: input should be a valid boolean"),
    ],
)
def test_what_slurm_or_this_command_refuses_is_one_line(bench: CellBench, slurm: Slurm, word: str, said: str) -> None:
    status, _, err = bench.sweep(*ONE, word)
    assert status == 2
    assert err.splitlines()[-1].startswith(f"error: {said}")
    assert "Traceback" not in err
    assert bench.ran() == []
    assert not (bench.folder / "multirun").exists()
