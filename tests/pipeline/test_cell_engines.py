"""The parts of `sweep=ray` and `sweep=slurm` that need neither Ray nor Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.homes import PACKAGE, forget_homes
from veilbench.bench.named_files import digest_named_files
from veilbench.workflow.arguments import check_arguments
from veilbench.workflow.cells import on_ray, on_slurm, ray_task
from veilbench.workflow.cells.asked import compose_sweep
from veilbench.workflow.cells.attempt import BAD_INPUT, Limits
from veilbench.workflow.cells.cell import Cell, Failure
from veilbench.workflow.cells.elsewhere import check_digests
from veilbench.workflow.cells.launch import count_jobs, read_engine
from veilbench.workflow.cells.on_ray import OnRay
from veilbench.workflow.cells.on_slurm import OnSlurm
from veilbench.workflow.cells.packing import pack, unpack
from veilbench.workflow.cells.slurm_queue import read_queue
from veilbench.workflow.cells.upload import copy_bench, copy_package
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.job import write_text

WORDS = ["experiment=plaintext", "attack=[]", "evaluation=[]", "tracking=none"]
GIB = 2**30


def engine_of(*words: str) -> Any:
    return read_engine(compose_sweep([*WORDS, *words])[1].hydra.launcher)


def test_engines_are_read_from_the_launcher_s_settings() -> None:
    ray = engine_of("sweep=ray", "hydra.launcher.address=h:1", "hydra.launcher.mem_gb=2", "hydra.launcher.cpus=3")
    assert ray == OnRay("h:1", 3, 0, 2, None, None, [])
    slurm = engine_of("sweep=slurm", "hydra.launcher.partition=p", "+hydra.launcher.sbatch.account=a")
    assert slurm == OnSlurm("p", 60, None, 1, 0, 256, 3, True, {"account": "a"})
    assert engine_of("sweep=joblib") is None
    assert engine_of() is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep=ray", "hydra.launcher.cpus=0"], "hydra.launcher.cpus=0 is not allowed"),
        (["sweep=ray", "+hydra.launcher.cpu=2"], "unknown key hydra.launcher.cpu=2; allowed: address, cpus,"),
        (["sweep=ray", "hydra.launcher.mem_gb=-1"], "hydra.launcher.mem_gb=-1 is not allowed"),
        (["sweep=slurm", "hydra.launcher.time_min=0"], "hydra.launcher.time_min=0 is not allowed"),
        (["sweep=slurm", "hydra.launcher.requeues=many"], "hydra.launcher.requeues='many' is not allowed"),
    ],
)
def test_a_wrong_setting_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        engine_of(*words)
    assert said in str(refused.value)


def test_only_the_engines_themselves_may_be_named() -> None:
    check_arguments(["-m", *WORDS, "sweep=ray", "seed=0,1"])
    for target in ("veilbench.workflow.cells.work.work", "os.getcwd"):
        with pytest.raises(UserError, match="is not allowed: it would be imported"):
            check_arguments(["-m", *WORDS, "sweep=ray", f"hydra.launcher._target_={target}"])
    with pytest.raises(UserError, match="is not allowed: it would be imported"):
        check_arguments(["-m", *WORDS, "hydra.sweeper._target_=veilbench.workflow.cells.on_ray.OnRay"])


def test_jobs_at_a_time_are_known_for_this_machine_alone() -> None:
    cores = len(os.sched_getaffinity(0))
    settings = compose_sweep([*WORDS, "sweep=ray"])[1].hydra.launcher
    assert count_jobs(settings, 100) == min(100, cores)
    assert count_jobs(settings, 1) == 1
    few = {"gpus": 0, "mem_gb": None, "shared": None, "environment": []}
    assert OnRay(address=None, cpus=10 * cores, n_jobs=None, **few).count_jobs(9) == 1  # type: ignore[arg-type]
    assert OnRay(address=None, cpus=1, n_jobs=1, **few).count_jobs(9) == 1  # type: ignore[arg-type]
    assert OnRay(address="h:1", cpus=1, n_jobs=4, **few).count_jobs(9) == 4  # type: ignore[arg-type]
    assert engine_of("sweep=slurm").count_jobs(9) == 1


def test_a_cluster_has_room_where_one_machine_has_all_that_a_cell_needs() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "memory": 10.0 * GIB}},
        {"Alive": True, "Resources": {"CPU": 3.0, "memory": 100.0 * GIB, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "memory": 100.0 * GIB, "GPU": 8.0}},
    ]
    expected = {(1, 0, None): 11, (2, 0, None): 5, (1, 0, 4): 2 + 3, (1, 1, None): 1, (2, 1, 60): 1}
    for (cpus, gpus, memory), room in expected.items():
        assert OnRay("h:1", cpus, gpus, memory, None, None, [])._count_room(nodes) == room
    with pytest.raises(UserError, match=r"mem_gb=101 is not allowed: the machines have 8 CPUs, 0 GPUs, 10\.0 GiB; 3 "):
        OnRay("h:1", 1, 0, 101, None, None, [])._count_room(nodes)


def test_a_ray_of_this_command_has_a_token_and_a_cluster_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    variables: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", variables)
    on_ray._prepare("h:1")
    assert (variables["RAY_USAGE_STATS_ENABLED"], "RAY_AUTH_TOKEN" in variables) == ("0", False)
    on_ray._prepare(None)
    assert (variables["RAY_AUTH_MODE"], len(variables["RAY_AUTH_TOKEN"])) == ("token", 64)
    mine = variables | {"RAY_AUTH_TOKEN": "mine", "RAY_USAGE_STATS_ENABLED": "1"}
    variables |= mine
    on_ray._prepare(None)
    assert variables == mine


def test_a_folder_is_the_same_after_it_was_sent(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    (one / "deep" / "empty").mkdir(parents=True)
    (one / "deep" / "weights").write_bytes(os.urandom(1000))
    (one / "log.txt").write_text("earlier\nlater\n")
    other.mkdir()
    (other / "log.txt").write_text("earlier\n")
    unpack(pack(one), other)
    files = {path.relative_to(one): path.is_file() and path.read_bytes() for path in one.rglob("*")}
    assert {path.relative_to(other): path.is_file() and path.read_bytes() for path in other.rglob("*")} == files


def test_the_copied_package_is_complete_and_gives_the_same_digests(tmp_path: Path) -> None:
    copy = copy_package(tmp_path)
    script = "import sys; from veilbench.workflow.compose import composed, plain; from veilbench.bench import homes;"
    script += f"print(homes.PACKAGE, plain(composed({WORDS})).__getitem__('digests'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == f"{copy} {plain(composed(WORDS))['digests']}"
    assert copy != PACKAGE


def test_of_a_bench_its_code_its_configuration_and_the_files_of_settings_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, copy = tmp_path / "bench", tmp_path / "copy"
    for name in ("conf/model/m.yaml", "mine.py", "src/more/__init__.py", "src/more/part.py", "faces/a/1.png",
                 "unused.csv", "multirun/old/x", "table.csv"):  # fmt: skip
        (bench / name).parent.mkdir(parents=True, exist_ok=True)
        (bench / name).write_text(name)
    outside = tmp_path / "outside.csv"
    outside.touch()
    monkeypatch.chdir(bench)
    forget_homes()
    paths = ["faces", "table.csv", "../outside.csv", str(outside), "absent"]
    configs = [{"data": {"_target_": "x.Y", "path": path}} for path in paths]
    before = digest_named_files(configs[:2])
    assert copy_bench(configs, copy)
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == {
        "conf/model/m.yaml", "mine.py", "src/more/__init__.py", "src/more/part.py", "faces/a/1.png", "table.csv",
    }  # fmt: skip
    monkeypatch.chdir(copy)
    assert digest_named_files(configs[:2]) == before
    assert not copy_bench([], tmp_path / "none") or (tmp_path / "none" / "conf").is_dir()


def test_other_code_or_files_are_named_and_cost_no_computing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = plain(composed(WORDS))
    check_digests(config)
    other = config | {"digests": config["digests"] | {"train": "0" * 16}}
    with pytest.raises(UserError, match=r"its code, settings or files on .* differ: another digest of train$"):
        check_digests(other)
    monkeypatch.setattr(ray_task, "run_here", None)
    for name in ("cell", "sweep"):
        (tmp_path / name).mkdir()
    (tmp_path / "cell" / "experiment.yaml").write_text(yaml.safe_dump(other))
    driver = ray_task.Driver(Path.cwd(), tmp_path / "sweep", "name")
    assert ray_task.run_attempt(driver, tmp_path / "cell", b"", Limits()) == (BAD_INPUT, b"")
    assert (tmp_path / "cell" / "log.txt").read_text().startswith("\nerror: its code, settings or files on ")


def test_a_worker_that_must_see_the_folder_and_does_not_says_so(tmp_path: Path) -> None:
    driver = ray_task.Driver(Path.cwd(), tmp_path, "name", shared=True)
    with pytest.raises(UserError, match=r"hydra.launcher.shared=True, but .* does not see"):
        ray_task.run_attempt(driver, tmp_path / "absent", b"", Limits())


def test_a_folder_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = ray_task.Driver(Path.cwd(), tmp_path, "name").own_folder()
    assert ray_task._make(own).is_dir()
    assert own.parent.stat().st_mode & 0o777 == 0o700
    ray_task.remove_own_folder(ray_task.Driver(Path.cwd(), tmp_path, "name"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "elsewhere").mkdir()
    own.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="belongs to another user"):
        ray_task._make(own)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose lines `squeue` prints; the program fails without it."""
    program = tmp_path / "bin" / "squeue"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexec cat {tmp_path}/queue 2>/dev/null\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "queue"


def test_the_queue_is_read_without_an_accounting_database(queue: Path) -> None:
    assert read_queue() is None, "the controller does not answer"
    queue.write_text("7_0 RUNNING\n7_1 PENDING\n8 COMPLETED\n\n")
    assert read_queue() == {"7_0": "RUNNING", "7_1": "PENDING", "8": "COMPLETED"}
    asked = f"--noheader --array --states=all --user={os.getuid()} --format=%i %T\n"  # one line for each cell
    assert (queue.parent / "asked").read_text() == asked


def test_a_job_that_left_the_queue_without_a_record_is_a_failure_after_some_time(
    queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = queue.parent / "sweep"
    cells = {name: Cell(sweep, name, (), name) for name in ("done", "runs", "lost", "failed", "unseen")}
    began = time.time() - 10
    waiting = on_slurm._Waiting({name: f"7_{name}" for name in cells}, dict.fromkeys(cells, began), 0.0)
    write_text(cells["done"].folder / "experiment.yaml", "")
    cells["failed"].folder.mkdir()
    Failure("no memory", time.time(), "here").write(cells["failed"].folder)
    queue.write_text("7_done COMPLETED\n7_runs RUNNING\n7_lost OUT_OF_MEMORY\n7_failed COMPLETED\n")
    monkeypatch.setattr(on_slurm, "SHOWN", 1000.0)
    assert [cell.name for cell in waiting.find_ended(list(cells.values()))] == ["done", "failed"]
    monkeypatch.setattr(on_slurm, "SHOWN", 0.0)
    ended = waiting.find_ended(list(cells.values()))
    assert [cell.name for cell in ended] == ["done", "lost", "failed", "unseen"]
    reasons = {cell.name: failure.reason for cell in ended if (failure := cell.failure())}
    assert reasons == {
        "lost": "job 7_lost of Slurm ended without a record: OUT_OF_MEMORY", "failed": "no memory",
        "unseen": "job 7_unseen of Slurm ended without a record: unknown",
    }  # fmt: skip
    queue.unlink()
    monkeypatch.setattr(on_slurm, "SHOWN", 0.0)
    assert waiting.find_ended([cells["runs"]]) == [], "an unreachable controller ends no cell"
