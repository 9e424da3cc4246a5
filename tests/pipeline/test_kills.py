"""Kills at random moments: the same command again ends like an undisturbed one, and each record is published once."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from mlflow.tracking import MlflowClient

from .conftest import Project

FEW_AND_MANY = [pytest.param(2, marks=pytest.mark.slow), pytest.param(20, marks=[pytest.mark.slow, pytest.mark.kills])]
SWEEP = ["pipelines/sweep.py", "-m", "experiment=plain_table", "seed=5,6", "hydra.sweep.dir=multirun/killed"]


def kill(project: Project, command: list[str], count: int, longest: float, anew: Callable[[], None]) -> int:
    """Start a command and kill it at random moments; start over if it has ended before, and wait for less then.

    Returns:
        The number of kills: `count`, unless the command always ends too quickly.
    """
    rng, killed = random.Random(count), 0
    for _ in range(4 * count):
        if killed == count:
            break
        process = subprocess.Popen(
            [sys.executable, *command], cwd=project.folder, env=project.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(rng.uniform(0, longest))
            longest /= 2
            anew()
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.wait()
    return killed


def client_of(project: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")


def new_store(project: Project) -> None:
    """A store with all its tables but without runs.

    It is created elsewhere and copied, because MLflow creates the tables of an address only once per process.
    """
    empty = project.folder.parent / "empty.db"
    if not empty.exists():
        client = MlflowClient(f"sqlite:///{empty}")
        client.create_experiment("veilbench", (project.folder / "mlartifacts").as_uri())
    no_store(project)
    shutil.copy(empty, project.folder / "mlflow.db")


def no_store(project: Project) -> None:
    for path in project.folder.glob("mlflow.db*"):
        path.unlink()


def published(project: Project) -> Counter[str]:
    """Count the runs in the store for each experiment and seed; all of them must be complete."""
    client = client_of(project)
    group = client.get_experiment_by_name("veilbench").experiment_id
    found = [run for run in client.search_runs([group]) if run.data.tags["veilbench.stage"] == "experiment"]
    for run in found:
        assert run.info.status == "FINISHED"
        own = client.search_runs([group], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
        assert [one.info.status for one in own] == ["FINISHED"] * 3
    return Counter(f"{run.data.params['experiment']} {run.data.params['seed']}" for run in found)


def nothing_is_left(project: Project) -> bool:
    return not [path for kind in ("partial", "earlier", "part") for path in project.folder.rglob(f".*.{kind}-*")]


REPRODUCED = {"plain_table 0": 1, "other_table 1": 1, "real_cipher 2": 1}


@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_killed_reproductions(project: Project, reproduced: Project, count: int) -> None:
    def anew() -> None:
        for made in ("results", "prepared", "report", ".dvc/cache", "dvc.lock"):
            path = project.folder / made
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        new_store(project)

    anew()
    assert kill(project, ["pipelines/repro.py", "2"], count, 40, anew)
    project.run("python", "pipelines/repro.py", "2")
    assert project.metrics() == reproduced.metrics()
    assert published(project) == REPRODUCED
    assert nothing_is_left(project)
    assert project.repro() == set()


@pytest.mark.parametrize("count", FEW_AND_MANY)
def test_killed_sweeps(project: Project, count: int) -> None:
    def records(name: str) -> dict[str, str]:
        folder = project.folder / "multirun" / name
        found = sorted(folder.glob("plain_table-*/*/metrics.json"))
        return {str(path.relative_to(folder)): path.read_text() for path in found}

    def anew() -> None:
        shutil.rmtree(project.folder / "multirun" / "killed")
        new_store(project)

    new_store(project)
    assert kill(project, SWEEP, count, 20, anew)
    project.run("python", *SWEEP)
    assert published(project) == {"plain_table 5": 1, "plain_table 6": 1}
    assert nothing_is_left(project)
    project.run("python", *SWEEP[:-1], "hydra.sweep.dir=multirun/undisturbed", "tracking=none")
    assert records("killed") == records("undisturbed")
    assert len(records("killed")) == 6


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, pytest.param(10, marks=pytest.mark.kills)])
@pytest.mark.parametrize("anew", [new_store, no_store], ids=["store", "no store"])
def test_killed_tracking(project: Project, count: int, anew: Callable[[Project], None]) -> None:
    anew(project)
    kill(project, ["pipelines/track.py"], count, 15, lambda: anew(project))
    project.run("python", "pipelines/track.py")
    assert published(project) == REPRODUCED
