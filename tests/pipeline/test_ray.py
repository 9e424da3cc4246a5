"""`sweep=ray` as its user runs it: the same numbers as without Ray, on one node and on two, and after kills."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from .cell_bench import EIGHT, SETTINGS, CellBench, extra_paths, is_alive, wait_until
from .conftest import ROOT

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow
ONE = ["evaluation.trouble.kind=wait"]


@dataclass(frozen=True)
class Nodes:
    """Two nodes of Ray on this machine.

    Attributes:
        address: as `hydra.launcher.address` takes it.
        head: ids of the processes without which there is no cluster.
    """

    address: str
    head: list[int]

    @property
    def launcher(self) -> list[str]:
        return ["sweep=ray", f"hydra.launcher.address={self.address}"]


@contextmanager
def start_nodes(cpus: int = 1) -> Iterator[Nodes]:
    """Run two nodes that know nothing of this checkout but what a sweep sends them."""
    script = Path(__file__).with_name("ray_nodes.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(extra_paths()), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-P", str(script), str(cpus)]
    process = subprocess.Popen(
        command, cwd="/", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        address = next(line.strip() for line in lines if line[:1].isdigit())
        yield Nodes(address, [int(word) for word in next(lines).split()])
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        finally:
            process.kill()


@pytest.fixture(scope="module", autouse=True)
def token() -> Iterator[None]:
    """Nodes listen on the network, and accept only who has this token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield


@pytest.fixture(scope="module")
def nodes(token: None) -> Iterator[Nodes]:
    with start_nodes() as started:
        yield started


def kept_stages() -> set[Path]:
    """Return the folders of stages that workers keep for themselves, also those of other sweeps."""
    return set(Path(tempfile.gettempdir()).glob(f"veilbench-{os.getuid()}/*/.stages"))


def test_on_one_machine_the_numbers_are_those_without_ray(bench: CellBench, serial: dict[str, bytes]) -> None:
    assert len(serial) == 8 * 3
    assert bench.sweep_eight("sweep=ray") == serial
    assert len(set(bench.processes())) == 8
    status, _, err = bench.sweep(*EIGHT, "sweep=ray")
    assert (status, "8 cells in multirun/plain: 8 there already\n" in err) == (0, True)
    assert len(bench.ran()) == 8


@pytest.mark.loopback
def test_on_two_nodes_the_numbers_are_those_without_ray(
    bench: CellBench, serial: dict[str, bytes], nodes: Nodes
) -> None:
    assert bench.sweep_eight(*nodes.launcher) == serial
    assert len(bench.ran()) == 8
    assert len(list(bench.cells.glob(".stages/train-*"))) == 4


@pytest.mark.loopback
def test_without_a_shared_folder_code_and_variables_are_sent_and_cells_come_back(
    bench: CellBench, serial: dict[str, bytes], nodes: Nodes, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (code / "src" / "veilbench" / "bench" / "stages.py").open("a") as file:
        file.write("\nONLY_HERE = True\n")  # a node with other code refuses the cell
    trouble = bench.folder / "trouble.py"
    variables = {"MLFLOW_TRACKING_URI": "file:x", "MINE": "3"}
    check = f"assert {variables}.items() <= os.environ.items()\n        "
    trouble.write_text(trouble.read_text().replace('if Path("stop")', f'{check}if Path("stop")'))
    launcher = [*nodes.launcher, "hydra.launcher.shared=false", "hydra.launcher.environment=[MINE]"]
    before = kept_stages()
    process = bench.start("sweep", *SETTINGS, *EIGHT, *launcher, source=code / "src", **variables)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert sorted(bench.metrics().values()) == sorted(serial.values())
    assert bench.ran() == [], "no cell was computed in the driver's folder"
    assert not (bench.cells / ".stages").exists()
    assert kept_stages() <= before, "a sweep that succeeded leaves nothing on its nodes"


@pytest.mark.loopback
def test_a_killed_worker_costs_one_attempt(bench: CellBench, nodes: Nodes) -> None:
    process = bench.start("sweep", *SETTINGS, *ONE, *nodes.launcher)
    wait_until(lambda: bench.processes())
    (cell,) = bench.processes()
    worker = next(one for one in psutil.Process(cell).parents() if one.name().startswith("ray::"))
    (bench.folder / "go").touch()
    worker.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert not is_alive(cell)
    bench.check_completed("wait0", "wait0")


@pytest.mark.loopback
def test_after_a_kill_of_the_driver_the_same_command_completes_the_sweep(bench: CellBench, nodes: Nodes) -> None:
    process = bench.start("sweep", *SETTINGS, *ONE, *nodes.launcher)
    wait_until(lambda: bench.processes())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (cell,) = bench.processes()
    wait_until(lambda: not is_alive(cell), 30)
    (bench.folder / "go").touch()
    assert bench.sweep(*ONE, *nodes.launcher)[0] == 0
    bench.check_completed("wait0", "wait0")


@pytest.mark.loopback
def test_after_a_kill_of_the_head_the_same_command_completes_the_sweep_on_another(bench: CellBench) -> None:
    with start_nodes() as first:
        process = bench.start("sweep", *SETTINGS, *ONE, *first.launcher)
        wait_until(lambda: bench.processes())
        for one in first.head:
            os.kill(one, signal.SIGKILL)
        process.communicate(timeout=300)
        assert process.returncode != 0
    (cell,) = bench.processes()
    wait_until(lambda: not is_alive(cell), 30)
    (bench.folder / "go").touch()
    with start_nodes() as second:
        assert bench.sweep(*ONE, *second.launcher)[0] == 0
    bench.check_completed("wait0", "wait0")


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("hydra.launcher.cpus=0", "hydra.launcher.cpus=0 is not allowed: input should be greater than or equal to 1"),
        ("hydra.launcher.cpus=2", "hydra.launcher.cpus=2, gpus=0, mem_gb=None is not allowed: the machines have 1"),
        ("hydra.launcher.address=127.0.0.1:9", "hydra.launcher.address=127.0.0.1:9: no Ray answers there: "),
        ("hydra.launcher.address=ray://x", "hydra.launcher.address=ray://x is not allowed: input should be HOST:PORT"),
    ],
)
def test_what_cannot_be_done_is_one_line(bench: CellBench, nodes: Nodes, word: str, said: str) -> None:
    launcher = ["sweep=ray", word] if "address" in word else [*nodes.launcher, word]
    status, _, err = bench.sweep(*ONE, *launcher)
    assert status == 2
    assert err.splitlines()[-1].startswith(f"error: {said}")
    assert "Traceback" not in err
    assert bench.ran() == []
    assert not (bench.folder / "multirun").exists()
