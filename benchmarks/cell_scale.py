"""Measure what a sweep costs beside its cells, and how many cells an hour several workers compute.

Usage: python benchmarks/cell_scale.py [--cells 10,100,1000] [--computed 1000] [--workers 1,2,4] [--shared 100]
    [--working 40]

The cells are trivial: `plaintext` on one data set, without evaluations and attacks, each with a seed of its own. For
each number of cells, new processes plan the sweep, compute it, run it again when all cells are complete, list its
state, and collect it. Beyond `--computed` cells, the sweep is only planned.
Prints each command's CPU seconds, children included, and its largest memory as soon as it has ended. At the end it
prints the seconds as ratios to the fewest cells, the exponent, and the largest memory of the command's own process;
then the cells per hour by number of workers (`sweep=joblib`) as ratios to one worker, on `--shared` trivial cells and
on `--working` cells of about two CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from growth import print_growth

TRIVIAL = ("experiment=plaintext", "attack=[]", "evaluation=[]", "tracking=none", "data.seed=0")
WORKING = ("experiment=undercomplete", "attack=[]", "evaluation=[reconstruction]", "tracking=none", "data.seed=0")
POLL = 0.1  # seconds between two looks at the memory of a process


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run a `veilbench` command in a folder.

    Returns:
        CPU seconds of the command and its children, and the largest memory of the command's own process, in bytes.
    """
    command = [sys.executable, "-m", "veilbench", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory = 0
    while not (waited := os.wait4(process.pid, os.WNOHANG))[0]:
        memory = max(memory, read_peak(process.pid))
        time.sleep(POLL)
    _, status, used = waited
    if status:
        raise SystemExit(f"failed in {folder}: veilbench {' '.join(arguments)}")
    return used.ru_utime + used.ru_stime, float(memory)


def read_peak(process: int) -> int:
    """Return the largest memory of a process so far in bytes, without its children; 0 if it has just ended."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def measure_driver(sizes: list[int], computed: int) -> dict[str, list[tuple[float, float]]]:
    """Return the cost of each command at each number of cells."""
    found = defaultdict[str, list[tuple[float, float]]](list)
    for cells in sizes:
        words = [*TRIVIAL, f"seed=range({cells})"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            commands = {"plan": ("plan", *words)}
            if cells <= computed:
                commands["compute, with the cells"] = commands["run again"] = ("sweep", *words)
                commands |= {name: (name, "multirun/plaintext") for name in ("status", "collect")}
            for name, command in commands.items():
                seconds, memory = run(folder, *command)
                print(f"{cells:,} cells, {name}: {seconds:.2f} CPU seconds, {memory / 1e6:,.0f} MB", flush=True)
                found[name].append((seconds, memory))
    return found


def measure_rate(words: Sequence[str], cells: int, workers: int) -> float:
    """Return the cells per hour of a sweep with this number of workers."""
    words = [*words, f"seed=range({cells})", "sweep=joblib", f"hydra.launcher.n_jobs={workers}"]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run(Path(folder), "sweep", *words)
        return cells / (time.perf_counter() - started) * 3600


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", default="10,100,1000")
    parser.add_argument("--computed", type=int, default=1_000, help="largest number of cells that are computed")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--shared", type=int, default=100, help="number of trivial cells that workers share")
    parser.add_argument("--working", type=int, default=40, help="number of cells of two CPU seconds that workers share")
    options = parser.parse_args()
    sizes = sorted(int(word) for word in options.cells.split(","))
    found = measure_driver(sizes, options.computed)
    for length in sorted({len(costs) for costs in found.values()}, reverse=True):
        print_growth("cells", sizes[:length], {name: costs for name, costs in found.items() if len(costs) == length})
    workers = [int(word) for word in options.workers.split(",")]
    for name, words, cells in (("trivial", TRIVIAL, options.shared), ("working", WORKING, options.working)):
        rates: list[float] = []
        for number in workers:
            rates.append(measure_rate(words, cells, number))
            ratio = rates[-1] / rates[0]
            print(f"{number} workers: {rates[-1]:,.0f} {name} cells an hour, {ratio:.2f} of one", flush=True)


if __name__ == "__main__":
    main()
