"""Measure how MLflow's page and search grow with the number of rows.

Usage: python benchmarks/mlflow_scale.py [--rows 34,100,1000] [--shot FILE.png], in a project where `dvc repro` has run.

The rows of mlflow.db, each with its three stages, are repeated in a copy of the store under other ids, which `mlflow
server` serves on the loopback interface. Search is the REST API's, with the filter of docs/tracking.md; the page is
"Training runs" in Chromium, where it is installed, until the table shows a row. Prints wall seconds, each the median of
five, as ratios to the fewest rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

TABLES = ("latest_metrics", "metrics", "params", "tags")
ROWS = "SELECT run_uuid FROM tags WHERE key = 'veilbench.stage' AND value = 'experiment'"
STAGES = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?"
FILTER = "tags.`veilbench.stage` = 'experiment'"
REPEATS = 5
SIZE = {"width": 1400, "height": 900}


def repeat_rows(file: Path, rows: int) -> None:
    """Repeat the rows of a store, with their stages, until there are as many."""
    with closing(sqlite3.connect(file)) as store, store:
        there = [row for (row,) in store.execute(ROWS).fetchall()]
        for row in islice(cycle(there), rows - len(there)):
            ids = {old: uuid4().hex for old in (row, *(stage for (stage,) in store.execute(STAGES, [row]).fetchall()))}
            for old, new in ids.items():
                for table in ("runs", *TABLES):
                    _copy(store, table, old, new)
                set_parent = "UPDATE tags SET value = ? WHERE key = 'mlflow.parentRunId' AND run_uuid = ?"
                store.execute(set_parent, [ids[row], new])


def _copy(store: sqlite3.Connection, table: str, old: str, new: str) -> None:
    columns = [name for _, name, *_ in store.execute(f"PRAGMA table_info({table})")]
    chosen = ", ".join("?" if name == "run_uuid" else name for name in columns)
    store.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} WHERE run_uuid = ?", [new, old]
    )


@contextmanager
def serve(file: Path) -> Iterator[str]:
    """Run MLflow's server on a store, and give its address within the block."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{file}", "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, "--port", str(port)], cwd=file.parent, **quiet)
    try:
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def search(server: str, **query: Any) -> int:
    """Ask for rows by the REST API, and return how many came."""
    words = json.dumps({"experiment_ids": ["1"], "filter": FILTER, **query}).encode()
    request = urllib.request.Request(
        f"{server}/api/2.0/mlflow/runs/search", words, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return len(json.load(answer)["runs"])


@contextmanager
def browse() -> Iterator[Any]:
    """Start Chromium within the block; gives None where it is not installed."""
    if not (program := shutil.which("chromium")):
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


def open_table(browser: Any, server: str, shot: Path | None) -> None:
    """Open the table of runs in a new window, and wait until it shows a row."""
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{server}/#/experiments/1/runs?compareRunsMode=TABLE&workflowType=machine_learning")
    page.get_by_text("seed=0").first.wait_for(timeout=300_000)
    if shot:
        page.wait_for_timeout(3_000)
        page.screenshot(path=shot)
    page.close()


def time_of(work: Callable[[], Any]) -> float:
    """Return the median wall seconds of some calls, after one that does not count."""
    work()
    taken = list[float]()
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


def measure(rows: int, shot: Path | None) -> dict[str, float]:
    """Return the seconds of each step with a number of rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        shutil.copy("mlflow.db", file)
        repeat_rows(file, rows)
        with serve(file) as server, browse() as browser:
            assert search(server, max_results=10_000) == rows
            found = {
                "search, first 100 rows": time_of(lambda: search(server, max_results=100)),
                "search, all rows by privacy/gain": time_of(
                    lambda: search(server, max_results=10_000, order_by=["metrics.`privacy/gain` DESC"])
                ),
            }
            if browser:
                found["open the page"] = time_of(lambda: open_table(browser, server, None))
                open_table(browser, server, shot)
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="34,100,1000")
    parser.add_argument("--shot", type=Path, help="picture of the page with the most rows")
    options = parser.parse_args()
    sizes = sorted(int(word) for word in options.rows.split(","))
    found = [measure(rows, options.shot if rows == sizes[-1] else None) for rows in sizes]
    print("| rows |", *(f"{rows:,} |" for rows in sizes), "seconds of the last |")
    print("|---|" + "---|" * (len(sizes) + 1))
    for name in found[0]:
        ratios = " | ".join(f"{one[name] / found[0][name]:.1f}" for one in found)
        print(f"| {name} | {ratios} | {found[-1][name]:.2f} |")


if __name__ == "__main__":
    main()
