"""Processes that create the tables of one database at once, as machines do that begin together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from select import select

import pytest

import mariadb
from mariadb import MariaDb, start_mariadb
from postgres import Postgres, find_programs, start_postgres
from veilbench.bench.database_lock import lock_database

SOURCE = Path(__file__).parents[2] / "src"
LACKING = {
    "postgresql": find_programs() is None or find_spec("psycopg") is None,
    "mariadb": mariadb.LACKING,
}
START = {"postgresql": start_postgres, "mariadb": start_mariadb}
BEGIN = """
import sys, time
from pathlib import Path
import mlflow.store.tracking.sqlalchemy_store, mlflow.tracking, optuna.storages
from veilbench.bench.tracking.store import open_store
from veilbench.workflow.study import open_storage
print("ready", flush=True)
while not Path("go").exists():
    time.sleep(0.001)
"""
CREATE = {"study": "open_storage(sys.argv[1])", "store": "open_store(sys.argv[1], 'veilbench', 60.0)"}


@pytest.fixture(scope="module", params=START)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres | MariaDb]:
    if LACKING[request.param]:
        pytest.skip(f"{request.param} or its Python library is not installed")
    with START[request.param]() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("what", CREATE)
def test_processes_that_create_the_tables_of_a_database_at_once_all_succeed(
    server: Postgres | MariaDb, tmp_path: Path, what: str
) -> None:
    address, paths = server.create_database(), [str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-c", BEGIN + CREATE[what], address]
    pipe, environment = subprocess.PIPE, os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    started = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True) for _ in range(3)
    ]
    for one in started:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    said = [one.communicate(timeout=300)[1] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], said


@pytest.mark.slow
def test_the_lock_is_that_of_one_process_and_ends_with_it(server: Postgres) -> None:
    address = server.create_database()
    hold = "import sys, time; from veilbench.bench.database_lock import lock_database\n"
    hold += "with lock_database(sys.argv[1]): print('held', flush=True); time.sleep(600)"
    other = subprocess.Popen([sys.executable, "-c", hold, address], stdout=subprocess.PIPE, text=True)
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    waiting = subprocess.Popen([sys.executable, "-c", hold, address], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout
    assert select([waiting.stdout], [], [], 10)[0] == []
    other.kill()
    other.communicate()
    assert waiting.stdout.readline() == "held\n"
    waiting.kill()
    waiting.communicate()


@pytest.mark.parametrize("address", ["sqlite:///nowhere/study.db", "http://127.0.0.1:9", "study.journal"])
def test_what_is_no_database_on_a_server_is_not_locked(address: str) -> None:
    with lock_database(address):
        pass
