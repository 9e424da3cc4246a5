"""Clones of the project with three quick experiments, in which the real `dvc` and the real scripts run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from .cell_bench import CellBench, extra_paths

ROOT = Path(__file__).parents[2]
EXPERIMENTS = {"plain_table": "substitution", "other_table": "substitution", "real_cipher": "aes_ctr"}
EXPERIMENT = """# @package _global_
defaults:
  - override /model: {model}
  - override /training: none
  - override /evaluation: [fidelity]
  - override /attack: [chosen_plaintext]

attack: {{chosen_plaintext: {{games: 20, queries: 24, length: 8}}}}
evaluation: {{fidelity: {{length: 500}}}}
data: {{seed: 0}} # shared
seed: {seed}
"""


class Project:
    """A clone of the project, with methods to run commands in it.

    Attributes:
        folder: folder of the clone.
        forks: environment variables with which `run` lets scripts of pipelines/ be forks; empty for processes.
    """

    def __init__(self, folder: Path, forks: dict[str, str]) -> None:
        self.folder, self.forks = folder, forks

    def environment(self) -> dict[str, str]:
        binaries = str(Path(sys.executable).parent)
        sources = [str(self.folder / "src"), str(self.folder), *extra_paths()]
        paths = {"PYTHONPATH": os.pathsep.join(sources), "CI": "true"}
        paths["PATH"] = binaries + os.pathsep + os.environ["PATH"]
        dropped = ("MLFLOW_TRACKING_URI", "VEILBENCH_TRACEBACK", "DVC_ROOT")
        return {k: v for k, v in os.environ.items() if k not in dropped} | paths

    def run(self, *command: str, ok: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        program = [str(Path(sys.executable).parent / command[0]), *command[1:]]
        if command[0] in ("git",):
            program = list(command)
        done = subprocess.run(
            program,
            cwd=self.folder,
            env=self.environment() | self.forks | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done

    def repro(self, *targets: str) -> set[str]:
        """Run `dvc repro`, and return the names of the stages that ran."""
        lines = self.run("dvc", "repro", *targets).stdout.splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage '")}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text(encoding="utf8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf8")

    def metrics(self) -> dict[str, str]:
        found = sorted((self.folder / "results").glob("*/*/metrics.json"))
        return {str(path.relative_to(self.folder)): path.read_text() for path in found}


def make_project(folder: Path, forks: dict[str, str]) -> Project:
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conf", "pipelines"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    for path in (folder / "conf" / "experiment").glob("*.yaml"):
        path.unlink()
    for seed, (name, model) in enumerate(EXPERIMENTS.items()):
        text = EXPERIMENT.format(model=model, seed=seed)
        (folder / "conf" / "experiment" / f"{name}.yaml").write_text(text)
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "conf" / "pipeline.yaml").write_text(yaml.safe_dump({"experiments": list(EXPERIMENTS)}))
    stages = folder / "params" / "stages" / "pipeline.yaml"
    stages.parent.mkdir(parents=True)
    stages.write_text(
        yaml.safe_dump({"datasets": ["text"], "experiments": dict.fromkeys(EXPERIMENTS, "text")}, sort_keys=False)
    )
    return Project(folder, forks)


def commit(project: Project, message: str) -> None:
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message)


def reproduce(folder: Path, forks: dict[str, str]) -> None:
    project = make_project(folder, forks)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    project.run("dvc", "config", "core.analytics", "false")
    ran = project.repro()
    stages = {f"{stage}@{name}" for stage in ("train", "evaluate", "attack") for name in EXPERIMENTS}
    assert ran == stages | {"resolve", "prepare@text", "report", "track"}
    commit(project, "reproduced")


@pytest.fixture(scope="session")
def reproduced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: dict[str, str]
) -> Project:
    """A project after its first `dvc repro`, committed; tests work on copies of it.

    The first process of a run that needs it makes it for all of them.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own  # of pytest-xdist
    folder, done = shared / "reproduced", shared / "reproduced.done"
    with FileLock(shared / "reproduced.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process in which it failed
            reproduce(folder, forks)
            done.touch()
    return Project(folder, forks)


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A copy without artifacts: those of all copies are in the first project's folder, which the store names."""
    copy, artifacts = tmp_path / "project", shutil.ignore_patterns("mlartifacts")
    shutil.copytree(reproduced.folder, copy, symlinks=True, ignore=artifacts)
    return Project(copy, reproduced.forks)


@pytest.fixture
def bench(tmp_path: Path, forks: dict[str, str]) -> CellBench:
    return CellBench(tmp_path, forks)


@pytest.fixture(scope="session")
def serial(tmp_path_factory: pytest.TempPathFactory, forks: dict[str, str]) -> dict[str, bytes]:
    """The files of metrics of eight cells that were computed one after the other."""
    return CellBench(tmp_path_factory.mktemp("serial"), forks).sweep_eight()
