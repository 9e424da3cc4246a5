"""Measure what `dvc repro` costs at least when there is nothing to do: stages with one dependency and no output.

Usage: python benchmarks/dvc_floor.py [STAGES], by default 102, three for each experiment of the pipeline.
Prints CPU seconds, the best of five: importing DVC, then DVC's run.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 5
IMPORTS = "import dvc.cli, dvc.repo, dvc.commands.repro, dvc.repo.reproduce, dvc.dvcfile"


def measure(command: list[str], folder: Path) -> float:
    """Return the CPU seconds, user and system, of the best of some runs of a command."""
    return min(_spend(command, folder) for _ in range(RUNS))


def _spend(command: list[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_pipeline(folder: Path, count: int) -> None:
    """Write a pipeline that is complete: dvc.lock is as DVC leaves it. JSON is YAML, too."""
    content = b"x\n"
    (folder / "input").write_bytes(content)
    entry = {"path": "input", "hash": "md5", "md5": hashlib.md5(content).hexdigest(), "size": len(content)}
    stages = {"stage": {"foreach": list(range(count)), "do": {"cmd": "true ${item}", "deps": ["input"]}}}
    locked = {f"stage@{number}": {"cmd": f"true {number}", "deps": [entry]} for number in range(count)}
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    (folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": locked}))


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, dvc = Path(name), [sys.executable, "-m", "dvc"]
        os.environ["DVC_NO_ANALYTICS"] = "1"
        subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=folder, check=True)
        write_pipeline(folder, count)
        print(f"imports {measure([sys.executable, '-c', IMPORTS], folder):.2f}")
        print(f"nothing to do, {count} stages {measure([*dvc, 'repro'], folder):.2f}")
        done = subprocess.run([*dvc, "repro"], cwd=folder, check=True, capture_output=True, text=True)
        assert done.stdout.count("didn't change, skipping") == count


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 102)
