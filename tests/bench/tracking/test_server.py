"""Publishing to the server that `make server` starts; VEILBENCH_TEST_STORE names another store than SQLite."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from made_records import config, make
from mlflow.tracking import MlflowClient
from test_publishers import check_killed_holder, check_killed_waiter, rows

ROOT = Path(__file__).parents[3]


def command(**variables: str) -> str:
    """Return the command of `make server`, for a shell."""
    given = [f"{name}={value}" for name, value in variables.items()]
    shown = subprocess.run(["make", "-n", "server", *given], cwd=ROOT, capture_output=True, text=True, check=True)
    return "mlflow server" + shown.stdout.rpartition("mlflow server")[2].replace("\\\n", " ")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    make(tmp_path / "r", config())
    port, store = free_port(), os.environ.get("VEILBENCH_TEST_STORE", f"sqlite:///{tmp_path / 'server.db'}")
    own = {"VEILBENCH_STORE": store, "VEILBENCH_ARTIFACTS": str(tmp_path / "stored"), "PORT": str(port)}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            f"exec {command(SERVER_OPTIONS='--workers=1')}", shell=True, cwd=tmp_path, env=os.environ | own, stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        ends = time.monotonic() + 300
        while not answers(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < ends
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def test_the_server_listens_on_loopback_alone_and_serves_artifacts() -> None:
    said = command(SERVER_OPTIONS="--app-name basic-auth")
    assert '--host "${HOST:-127.0.0.1}" --port "${PORT:-5000}" --app-name basic-auth' in said
    assert "--serve-artifacts" in said


@pytest.mark.slow
@pytest.mark.loopback
def test_publishers_on_a_server(address: str, tmp_path: Path) -> None:
    check_killed_holder(address)
    ((run, _),) = rows(address)
    client = MlflowClient(address)
    assert client.get_run(run).info.artifact_uri.startswith("mlflow-artifacts:/")
    assert len([*(tmp_path / "stored").rglob("config.yaml")]) == 1  # the first publisher was killed before it
    assert not (tmp_path / "mlartifacts").exists()
    client.delete_run(run)
    (tmp_path / "go").unlink()
    check_killed_waiter(address)
