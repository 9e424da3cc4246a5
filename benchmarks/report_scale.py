"""Measure how the report grows with its number of rows.

Usage: python benchmarks/report_scale.py [--rows 34,100,1000], in a project where `dvc repro` has run.

The rows are the records of the pipeline, repeated under other names. The steps are reading the records, writing the
leaderboard, and writing the page; and, where Chromium is installed, opening the page (wall time, without a window).
Prints the seconds as ratios to the fewest rows, the exponent, and the memory; then the size of the page.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from growth import measure, print_growth
from veilbench.bench.report import leaderboard, page
from veilbench.bench.report.records import read
from veilbench.bench.stages import RESULTS
from veilbench.families import register_all
from veilbench.workflow.listed import read_staged
from veilbench.workflow.report import PARAMS

QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def write(rows: int, names: list[str], folder: Path) -> dict[str, tuple[float, float]]:
    """Return the seconds and bytes of memory of each step."""
    found = dict[str, tuple[float, float]]()
    chosen = list(islice(cycle(names), rows))
    records, *found["read the records"] = measure(lambda: [read(name, PARAMS, RESULTS) for name in chosen])
    records = [replace(record, name=f"{record.name} copy={number}") for number, record in enumerate(records)]
    table = [leaderboard.row(record) for record in records]
    _, *found["write the leaderboard"] = measure(lambda: leaderboard.write(table, folder))
    _, *found["write the page"] = measure(lambda: page.write(records, folder, []))
    if browser := shutil.which("chromium"):
        found["open the page"] = (open_page(browser, folder), 0.0)
    return {name: (cost[0], cost[1]) for name, cost in found.items()}


def open_page(browser: str, folder: Path) -> float:
    """Return the wall seconds that Chromium takes to load the page and print its elements."""
    started = time.perf_counter()
    command = [browser, *QUIET, f"--user-data-dir={folder / 'profile'}", "--dump-dom", (folder / "index.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="34,100,1000")
    sizes = sorted(int(word) for word in parser.parse_args().rows.split(","))
    register_all()
    names = [name for name in read_staged() if (RESULTS / name / "attack" / "findings.json").is_file()]
    if not names:
        raise SystemExit("there are no results: run `dvc repro` first")
    steps, pages = defaultdict[str, list[tuple[float, float]]](list), list[str]()
    for rows in [sizes[0], *sizes]:
        with tempfile.TemporaryDirectory() as folder:
            costs = write(rows, names, Path(folder))
            for name, cost in costs.items():
                steps[name].append(cost)
            pages.append(f"{(Path(folder) / 'index.html').stat().st_size / 1e6:.2f} MB")
    print_growth("rows", sizes, {name: costs[1:] for name, costs in steps.items()})
    print(f"\nthe page: {', '.join(pages[1:])}")


if __name__ == "__main__":
    main()
