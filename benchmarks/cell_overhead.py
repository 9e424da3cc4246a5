"""What a cell of a sweep costs beyond its stages, in CPU time, as a ratio to the same stages within one process.

The cost of a cell is the difference between a sweep of many cells and one of few, divided by the difference of their
numbers: what is started once per sweep does not count. `fresh` is a new process for each cell, `veilbench run`.

    python benchmarks/cell_overhead.py serial ray fresh
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

WORDS = ["experiment=pca", "evaluation=[reconstruction]", "attack=[]", "tracking=none"]
ENGINES = {
    "serial": [],
    "joblib": ["sweep=joblib", "hydra.launcher.n_jobs=2"],
    "ray": ["sweep=ray", "hydra.launcher.n_jobs=2"],
}
WITHIN = """
import sys, time
from pathlib import Path
from veilbench.workflow.cells.compute import run_stages
from veilbench.workflow.cells.stage_store import StageStore
from veilbench.workflow.compose import composed, plain
words, few, many = sys.argv[3:], int(sys.argv[1]), int(sys.argv[2])
configs = [plain(composed([*words, f"seed={seed}"])) for seed in range(many)]
store = StageStore(Path("within"))
for seed, config in enumerate(configs):
    if seed == few:
        began = time.process_time()
    run_stages(config, store)
print((time.process_time() - began) / (many - few))
"""
SAMPLED = 0.02  # seconds between two looks at the processes


def measure_cpu(command: list[str], folder: Path) -> float:
    """Return the CPU seconds of a command with all processes below it; each loses at most what it did since a look."""
    process = psutil.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds: dict[tuple[int, float], float] = {}
    while process.poll() is None:
        try:
            for one in (process, *process.children(recursive=True)):
                times = one.cpu_times()
                seconds[one.pid, one.create_time()] = times.user + times.system
        except psutil.Error:  # it has just ended
            pass
        time.sleep(SAMPLED)
    if process.returncode:
        raise SystemExit(process.stderr.read().decode())
    return sum(seconds.values())


def measure_cell(engine: str, few: int, many: int, folder: Path) -> float:
    """Return the CPU seconds of one cell."""
    veilbench = [sys.executable, "-P", "-m", "veilbench"]
    if engine == "fresh":
        costs = [measure_cpu([*veilbench, "run", *WORDS, f"seed={seed}"], folder) for seed in range(2)]
        return sum(costs) / len(costs)
    totals = []
    for count in (few, many):
        place = f"hydra.sweep.dir={engine}-{count}"
        command = [*veilbench, "sweep", *WORDS, *ENGINES[engine], f"seed=range({count})", place]
        totals.append(measure_cpu(command, folder))
    return (totals[1] - totals[0]) / (many - few)


def main() -> None:
    """Print the ratios of each round, and their mean and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+", choices=[*ENGINES, "fresh"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=8)
    parser.add_argument("--many", type=int, default=24)
    options = parser.parse_args()
    ratios: dict[str, list[float]] = {engine: [] for engine in options.engines}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-P", "-c", WITHIN, str(options.few), str(options.many), *WORDS]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            within = float(done.stdout.split()[-1])
            for engine in options.engines:
                ratios[engine].append(measure_cell(engine, options.few, options.many, Path(folder)) / within)
                print(f"{engine:<8}{ratios[engine][-1]:.2f}  (one process: {within:.2f} s)", flush=True)
    for engine, found in ratios.items():
        print(f"{engine:<8}{sum(found) / len(found):.2f} [{min(found):.2f}, {max(found):.2f}]")


if __name__ == "__main__":
    main()
