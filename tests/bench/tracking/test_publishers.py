"""Real processes that publish the same record at once, on SQLite and on a server; some are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from made_records import config, make
from mlflow.tracking import MlflowClient

TESTS = Path(__file__).parent
SOURCE = TESTS.parents[2] / "src"


class Process:
    """A process of `publish_slowly.py`, and the lines that it has printed."""

    def __init__(self, host: str, address: str, lease: float, seconds: float) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(TESTS / "publish_slowly.py"), host, address, f"{lease}", f"{seconds}"],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": f"{SOURCE}"},
        )  # fmt: skip
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            self.lines += []
            for line in lines:
                self.lines.append(line.strip())

    def has_said(self, word: str) -> bool:
        assert self.process.poll() in (None, 0)
        return word in self.lines

    def end(self) -> str:
        """Wait for the process, and return the run's id."""
        assert self.process.wait(600) == 0
        self.listener.join()
        return self.lines[-1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.listener.join()


def wait_until(is_so: Any) -> None:
    ends = time.monotonic() + 600
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.02)


def go(processes: list[Process]) -> None:
    wait_until(lambda: all(one.has_said("ready") for one in processes))
    Path("go").touch()


@pytest.fixture
def address(store: Path, tmp_path: Path) -> str:
    make(tmp_path / "r", config())
    return f"sqlite:///{store}"


def rows(address: str) -> list[tuple[str, str]]:
    client = MlflowClient(address)
    group = client.get_experiment_by_name("veilbench").experiment_id
    return [(run.info.run_id, run.info.status) for run in client.search_runs([group]) if "verdict" in run.data.tags]


def check_killed_waiter(address: str) -> None:
    started = [Process(f"host{n}", address, 5.0, 3.0) for n in range(3)]
    go(started)
    wait_until(lambda: any(one.has_said("inside") for one in started))
    holder, waiter, other = sorted(started, key=lambda one: not one.has_said("inside"))
    time.sleep(1.0)  # until both have seen that the holder comes first
    waiter.kill()
    run = holder.end()
    assert other.end() == run
    assert "inside" not in other.lines
    assert rows(address) == [(run, "FINISHED")]


def check_killed_holder(address: str) -> None:
    lease = 10.0
    dead = Process("host0", address, lease / 60, 600.0)
    go([dead])
    wait_until(lambda: dead.has_said("inside"))
    dead.kill()
    killed = time.monotonic()
    ((abandoned, status),) = rows(address)
    assert status == "RUNNING"
    run = Process("host1", address, lease / 60, 0.0).end()
    assert run != abandoned
    assert time.monotonic() - killed > lease * 0.6  # at least three quarters of the lease were left
    assert rows(address) == [(run, "FINISHED")]


@pytest.mark.slow
def test_a_killed_waiter_leaves_no_row_and_the_others_agree(address: str) -> None:
    check_killed_waiter(address)


@pytest.mark.slow
def test_a_killed_publisher_is_taken_over_when_its_lease_ends(address: str) -> None:
    check_killed_holder(address)
