"""`sweep=slurm` with programs in the place of Slurm's that run jobs on this machine, where no Slurm is installed."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .cell_bench import CellBench

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is not installed"),
]
COMMANDS = {
    # Runs all jobs of an array, one after the other, and says what became of them as squeue does.
    "sbatch": """
import os, re, subprocess, sys
from pathlib import Path
here, script = Path(__file__).parent, Path(sys.argv[-1])
if os.fork():
    print("Submitted batch job 7")
    sys.exit()
quiet = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2):
    os.dup2(quiet, stream)
array = re.search(r"--array=0-(\\d+)", script.read_text())
for task in range(int(array[1]) + 1) if array else [None]:
    name = "7" if task is None else f"7_{task}"
    own = {"SLURM_JOB_ID": name.replace("_", "0"), "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    own |= {} if task is None else {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(task)}
    status = subprocess.run(["bash", script], env=os.environ | own).returncode
    with (here / "ended").open("a") as file:
        file.write(f"{name} {'FAILED' if status else 'COMPLETED'}\\n")
""",
    "srun": """
import os, sys
words = sys.argv[1:]
while words[0].startswith("--"):
    words = words[2:] if words[0] == "--output" else words[1:]
os.execvp(words[0], words)
""",
    "squeue": """
from pathlib import Path
ended = Path(__file__).parent / "ended"
print("7_0 RUNNING", "7_1 RUNNING", ended.read_text() if ended.exists() else "", sep="\\n")
""",
}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, text in COMMANDS.items():
        (folder / name).write_text(f"#!{sys.executable}{text}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.usefixtures("commands")
def test_jobs_compute_the_cells_and_one_fails(bench: CellBench) -> None:
    status, out, err = bench.sweep("evaluation.trouble.kind=fine,raise", "sweep=slurm")
    assert status == 2, err
    assert "2 cells sent to Slurm (job 7)" in err
    assert "1 of 2 cells failed:" in err
    assert ": evaluation.trouble failed in stages.examine: no such thing" in err.splitlines()[-1]
    assert bench.ran() == ["fine0", "raise0"]
    assert out.count("not attacked") == 1
    status, out, err = bench.sweep("evaluation.trouble.kind=fine", "sweep=slurm")
    assert (status, "1 cell in multirun/plain: 1 there already" in err) == (0, True)


def test_a_queue_that_refuses_the_cells_leaves_nothing(bench: CellBench, commands: Path) -> None:
    (commands / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: none' >&2\nexit 1\n")
    status, _, err = bench.sweep("sweep=slurm", "hydra.launcher.partition=none")
    assert status == 2
    assert err.splitlines()[-1].startswith("error: Slurm refuses the cells: ")
    assert "invalid partition" in err
    assert not (bench.folder / "multirun").exists()
