"""The address of a store, and publishing in a separate process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_records import config, make

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build, check
from veilbench.bench.tracking import Mlflow, NoTracking, publisher_process
from veilbench.bench.tracking.faults import StoreFault

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "uri",
    ["http://h:5000", "https://h/mlflow", "sqlite:///a.db", "sqlite:////a/b.db", "postgresql://name@h/db", "databricks",
     "postgresql+psycopg2://h/db?sslmode=require", "mysql+pymysql://h/db", "mssql+pyodbc://h/db", "databricks://me"],
)  # fmt: skip
def test_addresses_that_are_allowed(uri: str) -> None:
    assert Mlflow(uri).address() == uri


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ftp://h", "unknown scheme 'ftp'"),
        ("localhost:5000", "unknown scheme 'localhost'"),
        ("mlflow.db", "unknown scheme 'mlflow.db'"),
        ("./mlruns", "allowed: sqlite:///FILE"),
        ("file:///mlruns", "unknown scheme 'file'"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("http://", "names no host"),
        ("http://h:many", "many"),
        ("", "unknown scheme ''"),
    ],
)
def test_addresses_that_are_refused(uri: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"tracking\.uri=") as error:
        Mlflow(uri)
    assert words in str(error.value)
    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(StoreFault, match="MLFLOW_TRACKING_URI=") as fault:
            Mlflow().address()
        assert words in str(fault.value)


@pytest.mark.parametrize(
    "uri",
    ["http://me:pa55word@h", "https://pa55word@h", "postgresql://me:pa55word@h/db", "http://h?token=pa55word",
     "postgresql://h/db?password=pa55word", "ftp://me:pa55word@h", "http://me:pa/pa55word@h:x", "http://h?pa55word"],
)  # fmt: skip
def test_a_password_is_refused_in_a_configuration_and_not_shown(uri: str) -> None:
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI") as error:
        build({"_target_": "veilbench.bench.tracking.mlflow.Mlflow", "uri": uri})
    assert "pa55word" not in str(error.value)
    assert "tracking.uri=" in str(error.value)


def test_a_password_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pa55word@h")
    assert Mlflow().address() == "http://me:pa55word@h"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pa55/word@h")
    with pytest.raises(StoreFault, match="%2F") as error:
        Mlflow().address()
    assert "word" not in str(error.value).replace("password", "")


@pytest.mark.parametrize("deadline", [0.0, -1.0, float("inf"), float("nan")])
def test_a_deadline_is_some_seconds(deadline: float) -> None:
    with pytest.raises(UserError, match=f"tracking.deadline={deadline} is not allowed"):
        check({"_target_": "veilbench.bench.tracking.Mlflow", "deadline": deadline}, "tracking")


def test_configurations_of_earlier_versions_are_read() -> None:
    for name, kind in (("Mlflow", Mlflow), ("NoTracking", NoTracking)):
        node = {"_target_": f"veilbench.bench.tracking.{name}"}
        check(node)
        assert type(build(node)) is kind


@contextmanager
def server(answer: bytes, drips: bool) -> Iterator[str]:
    """A server that gives the same answer to every request, at once or byte by byte without end."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve(client: socket.socket) -> None:
            with client:
                try:
                    client.recv(65536)
                    if not drips:
                        client.sendall(answer)
                    while drips:
                        client.sendall(b" ")
                        time.sleep(0.05)
                except OSError:
                    pass

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://me:pa55word@127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.usefixtures("own_store")
def test_a_server_that_drips_is_given_up_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each byte arrives in time; without the deadline this test would never end."""
    settings = config()
    record = make(tmp_path / "r", settings)
    with server(b"", drips=True) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert Mlflow(deadline=1.0).publish(settings, record) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "http://me:***@127.0.0.1" in line
    assert "not done within 1 seconds (tracking.deadline)" in line
    assert "the record is kept in" in line
    assert publisher_process._process is None  # nothing is left that would delay the exit
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert Mlflow().publish(settings, record)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"401 Unauthorized", "refuses access"),
        (b"403 Forbidden", "may not publish there"),
        (b"200 OK", "cannot be reached"),
    ],
)
def test_what_a_server_answers_is_one_line_without_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: bytes, words: str
) -> None:
    settings = config()
    record = make(tmp_path / "r", settings)
    body = b"<p>http://me:pa55word@h?token=pa55word</p>\n"
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\nConnection: close\r\n\r\n"
    with server(head + body, drips=False) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        try:
            assert Mlflow().publish(settings, record) is None
            said = capsys.readouterr().err
        except StoreFault as error:
            said = f"{error}\n"
    assert words in said
    assert said.count("\n") == 1
    assert "pa55word" not in said


def test_a_process_that_does_not_start_in_time_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a busy machine, importing MLflow takes minutes."""
    settings = config()
    monkeypatch.setattr(publisher_process, "START", 0.01)
    assert Mlflow().publish(settings, make(tmp_path / "r", settings)) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "did not start within 0.01 seconds" in line
    assert publisher_process._process is None


def test_the_process_ends_when_the_one_that_started_it_is_killed(tmp_path: Path) -> None:
    settings = config()
    make(tmp_path / "r", settings)
    code = (
        "import json, pathlib; from veilbench.bench.tracking import Mlflow, publisher_process as p\n"
        "made = p.PublisherProcess(); print(made.process.pid, flush=True)\n"
        "p._process = made\n"
        "r = pathlib.Path('r'); Mlflow(deadline=600.0).publish(json.loads((r / 'experiment.yaml').read_text()), r)"
    )
    with server(b"", drips=True) as uri:
        parent = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"MLFLOW_TRACKING_URI": uri},
        )  # fmt: skip
        assert parent.stdout
        with parent.stdout:
            child = int(parent.stdout.readline())
            time.sleep(0.5)  # it waits for the server
            os.kill(child, 0)
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            for _ in range(600):
                if not Path(f"/proc/{child}").exists() or ") Z" in Path(f"/proc/{child}/stat").read_text():
                    return
                time.sleep(0.05)
    raise AssertionError("it lives on")
