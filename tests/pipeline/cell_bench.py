"""A bench with one evaluation that fails on request, and sweeps in it as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from veilbench.bench.report.records import CELL

ROOT = Path(__file__).parents[2]

TROUBLE = '''
import os, signal, time
from pathlib import Path
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Findings, Metric
from veilbench.families.ciphers import Cipher, Texts


class Trouble(Evaluation):
    """Notes each run in runs.txt, and does what it is asked for."""

    data_kind, target_kind = Texts, Cipher

    def __init__(self, kind: str = "fine", number: int = 0) -> None:
        self.kind, self.number = kind, number

    def examine(self, model, texts, trainer, seeds):
        with Path("runs.txt").open("a") as file:
            file.write(f"{self.kind}{self.number} {os.getpid()}\\\\n")
        if Path("stop").exists():
            raise ValueError("stopped")
        if self.kind == "raise":
            raise ValueError("no such thing")
        if self.kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "slow" or (self.kind == "wait" and not Path("go").exists()):
            time.sleep(600)
        while self.kind == "hold" and not Path("go").exists():
            time.sleep(0.1)
        rng = __import__("numpy").random.default_rng(seeds)
        return Findings("Trouble", {"drawn": Metric.exact(float(rng.random()))})
'''
SETTINGS = [
    "experiment=plain", "tracking=none", "data.words=[400,600]",
]  # fmt: skip
EXTRA = ("dvc_s3", "ray", "submitit", "dvc_ssh")  # packages that only some tests need
EIGHT = ["evaluation.trouble.number=1,2", "seed=0,1,2,3"]
EXPERIMENT = """# @package _global_
defaults:
  - override /model: plaintext
  - override /training: none
  - override /evaluation: [trouble]
"""


class CellBench:
    """A folder with configuration and code of its own, in which sweeps run.

    Attributes:
        folder: path of the folder.
        forks: environment variables with which `run` lets the program be a fork; empty for a process of its own.
    """

    def __init__(self, folder: Path, forks: dict[str, str]) -> None:
        self.folder, self.forks = folder, forks
        for name, text in {
            "trouble.py": TROUBLE.replace("\\\\n", "\\n"),
            "conf/evaluation/trouble.yaml": "# @package evaluation.trouble\n_target_: trouble.Trouble\n",
            "conf/experiment/plain.yaml": EXPERIMENT,
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    def start(self, *words: str, source: Path = ROOT / "src", **variables: str) -> subprocess.Popen[str]:
        """Start a command of veilbench in the bench, with some variables in its environment."""
        dropped = ("VEILBENCH_TRACEBACK", "MLFLOW_TRACKING_URI", "DVC_ROOT")
        environment = {key: value for key, value in os.environ.items() if key not in dropped}
        environment["PYTHONPATH"] = os.pathsep.join([str(source), *extra_paths()])
        command = [sys.executable, "-P", "-m", "veilbench", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=environment | variables, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command, and return its exit code, stdout and stderr.

        Launchers start processes, and do not expect to run in a fork themselves.
        """
        launched = any(word.startswith("sweep=") for word in words)
        process = self.start(*words, **({} if launched else self.forks))
        out, err = process.communicate(timeout=600)
        return process.returncode, out, err

    def sweep(self, *words: str) -> tuple[int, str, str]:
        """Run a sweep of the quick experiment."""
        return self.run("sweep", *SETTINGS, *words)

    @property
    def cells(self) -> Path:
        """The folder of the sweep."""
        return self.folder / "multirun" / "plain"

    def sweep_eight(self, *launcher: str) -> dict[str, bytes]:
        """Sweep over eight cells, one row each, and return their files of metrics; see `metrics`."""
        status, out, err = self.sweep(*EIGHT, *launcher)
        assert status == 0, err
        assert err.count("job ") == 8 + ("(job " in err)
        assert out.count("not attacked") == 8
        return self.metrics()

    def metrics(self) -> dict[str, bytes]:
        """Return the files of metrics of all cells by their paths in the sweep's folder."""
        cells = [path.parent for path in self.cells.glob(f"*/{CELL}")]
        found = [path for cell in cells for path in cell.glob("*/metrics.json")]
        return {str(path.relative_to(self.cells)): path.read_bytes() for path in found}

    def check_completed(self, *runs: str) -> None:
        """Check that the one cell has its record, after these runs, and that nothing else is there."""
        assert len(list(self.cells.glob(f"*/{CELL}"))) == 1
        assert self.ran() == list(runs)
        assert self.run("status", "multirun/plain")[1] == "done 1, running 0, failed 0, missing 0\n"
        assert not [path for kind in ("partial", "earlier", "part") for path in self.cells.rglob(f".*.{kind}-*")]

    def processes(self) -> list[int]:
        """Return the ids of the processes that have begun with a cell, the first one first."""
        path = self.folder / "runs.txt"
        return [int(line.split()[1]) for line in path.read_text().splitlines()] if path.exists() else []

    def ran(self) -> list[str]:
        """Return what the evaluation noted, sorted: its kind and number for each run."""
        path = self.folder / "runs.txt"
        return sorted(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else []


def extra_paths() -> list[str]:
    """Return folders of PYTHONPATH that hold what some tests need and this environment lacks."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [path for path in paths if path and any((Path(path) / name).is_dir() for name in EXTRA)]


def wait_until(happened: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def is_alive(process: int) -> bool:
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE
