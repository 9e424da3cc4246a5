"""Publishing to the server that `make server` starts; VEILBENCH_TEST_STORE names another store than SQLite."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from made_records import config, make
from mlflow.server import get_app_client
from mlflow.tracking import MlflowClient
from test_publishers import check_killed_holder, check_killed_waiter, rows
from test_track import ended, start

import s3

ROOT = Path(__file__).parents[3]
PATIENT = {"deadline": 600.0}  # so that a test does not depend on the load of the machine; likewise the next one
WAITING = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}


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


@contextmanager
def serve(folder: Path, store: str, options: str = "", port: int = 0, **variables: str) -> Iterator[str]:
    """Run `make server` in a folder, and give its address within the block; the file `die` there kills it."""
    port = port or free_port()
    own = {"VEILBENCH_STORE": store, "VEILBENCH_ARTIFACTS": str(folder / "stored"), "PORT": str(port), **variables}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            f"exec {command(SERVER_OPTIONS=f'--workers=1 {options}')}", shell=True, cwd=folder, env=os.environ | own,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        ends = time.monotonic() + 300
        while not answers(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < ends
            time.sleep(0.2)
        killer = threading.Thread(target=kill_on_request, args=(process, folder / "die"), daemon=True)
        killer.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def kill_on_request(process: subprocess.Popen[bytes], file: Path) -> None:
    while process.poll() is None:
        if file.exists():
            os.killpg(process.pid, signal.SIGKILL)
            return
        time.sleep(0.01)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    make(tmp_path / "r", config())
    with serve(tmp_path, os.environ.get("VEILBENCH_TEST_STORE", f"sqlite:///{tmp_path / 'server.db'}")) as started:
        yield started


def test_the_server_listens_on_loopback_alone_and_serves_artifacts() -> None:
    said = command(SERVER_OPTIONS="--app-name basic-auth")
    assert '--host "${HOST:-127.0.0.1}" --port "${PORT:-5000}" --app-name basic-auth' in said
    assert "--serve-artifacts" in said


@pytest.mark.slow
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


@pytest.mark.loopback
@pytest.mark.slow
def test_after_a_server_died_midway_the_next_one_gets_exactly_what_is_missing(tmp_path: Path) -> None:
    for seed in range(3):
        make(tmp_path / "outputs" / str(seed), config(seed=seed, **PATIENT))
    store, port = f"sqlite:///{tmp_path / 'server.db'}", free_port()
    with serve(tmp_path, store, port=port) as uri:
        publishing = start(tmp_path, MLFLOW_TRACKING_URI=uri, **WAITING)
        ends = time.monotonic() + 300
        while not [*(tmp_path / "stored").rglob("config.yaml")]:  # of the first record
            assert publishing.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.01)
        (tmp_path / "die").touch()
        code, out, (line,) = ended(publishing)
    assert (code, out.split()[0]) in [(2, "0"), (2, "1")]
    assert f"tracking: {uri} cannot be reached, the record is kept in outputs/" in line
    (tmp_path / "die").unlink()
    with serve(tmp_path, store, port=port) as uri:
        assert ended(start(tmp_path, MLFLOW_TRACKING_URI=uri, **WAITING)) == (
            0,
            "3 of 3 records are in the tracking store\n",
            [],
        )
        client = MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name("veilbench").experiment_id])
        assert len(rows(uri)) == 3
        assert len(runs) == 3 * 4
        assert {run.info.status for run in runs} == {"FINISHED"}


ADMIN, USER = ("admin", "long-pa55word-1"), ("me", "long-pa55word-2")


@pytest.mark.slow
@pytest.mark.loopback
@pytest.mark.skipif(find_spec("flask_wtf") is None, reason="flask-wtf is not installed")
def test_on_a_server_with_passwords_a_user_publishes_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "key", "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1]}
    make(tmp_path / "outputs" / "first", config(seed=0, **PATIENT))
    with serve(tmp_path, f"sqlite:///{tmp_path / 'server.db'}", "--app-name basic-auth", **secret) as uri:

        def track(name: str, password: str) -> tuple[int, str, list[str]]:
            login = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
            return ended(start(tmp_path, MLFLOW_TRACKING_URI=uri, **WAITING, **login))

        code, out, (line,) = track("admin", "wrong-pa55word")
        assert (code, out) == (2, "0 of 1 records are in the tracking store\n")
        assert f"the tracking store {uri} refuses access: check MLFLOW_TRACKING_USERNAME and " in line
        assert "pa55word" not in line
        assert track(*ADMIN) == (0, "1 of 1 records are in the tracking store\n", [])

        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
        users, client = get_app_client("basic-auth", uri), MlflowClient(uri)
        users.create_user(*USER)
        make(tmp_path / "outputs" / "second", config(seed=1, **PATIENT))
        code, out, (line,) = track(*USER)
        assert (code, out) == (2, "1 of 2 records are in the tracking store\n")
        assert f"the tracking store {uri} knows the user, who may not publish there" in line
        group = client.get_experiment_by_name("veilbench").experiment_id
        users.grant_user_permission(USER[0], "experiment", group, "EDIT")
        assert track(*USER) == (0, "2 of 2 records are in the tracking store\n", [])
        assert len(rows(uri)) == 2


@pytest.mark.slow
@pytest.mark.loopback
@pytest.mark.skipif(s3.LACKING, reason="moto or boto3 is not installed")
def test_a_server_keeps_files_in_s3(tmp_path: Path) -> None:
    make(tmp_path / "outputs" / "first", config(seed=0, **PATIENT))
    with s3.start_s3(tmp_path) as storage:
        own = {"VEILBENCH_ARTIFACTS": f"s3://{s3.BUCKET}/mlflow", "MLFLOW_S3_ENDPOINT_URL": storage.address, **s3.KEYS}
        with serve(tmp_path, f"sqlite:///{tmp_path / 'server.db'}", **own) as uri:
            done = ended(start(tmp_path, MLFLOW_TRACKING_URI=uri, **WAITING))
            assert done == (0, "1 of 1 records are in the tracking store\n", [])
            ((run, _),) = rows(uri)
            client = MlflowClient(uri)
            assert client.get_run(run).info.artifact_uri.startswith("mlflow-artifacts:/")
            file = Path(client.download_artifacts(run, "config.yaml", str(tmp_path)))
            stored = [name for name in storage.names() if name.startswith("mlflow/") and name.endswith("config.yaml")]
            body = storage.client().get_object(Bucket=s3.BUCKET, Key=stored[0])["Body"].read()
        assert file.read_bytes() == body
    assert not (tmp_path / "stored").exists()
