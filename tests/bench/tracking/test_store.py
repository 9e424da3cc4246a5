"""SQLite stores whose creation is interrupted, broken stores, and their error messages."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from made_records import config, job, make

from veilbench.bench.tracking.faults import StoreFault, Unreachable, explain
from veilbench.bench.tracking.publishing import publish
from veilbench.bench.tracking.store import Busy, open_store, sqlite_file

OPEN = (
    "import sys; from veilbench.bench.tracking.store import open_store; open_store(f'sqlite:///{sys.argv[1]}', 'g', 60)"
)


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("whole") / "mlflow.db"
    open_store(f"sqlite:///{file}", "veilbench", 60)
    return file.read_bytes()


@pytest.mark.slow
def test_a_store_killed_while_it_is_made_is_made_again(tmp_path: Path) -> None:
    """A kill while the tables are created leaves an incomplete temporary file and no store."""
    file, beside = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.new"
    child = subprocess.Popen([sys.executable, "-c", OPEN, str(file)], cwd=tmp_path)
    while not (beside.exists() and beside.stat().st_size > 100_000):
        assert child.poll() is None
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert beside.exists()
    assert not file.exists()
    open_store(f"sqlite:///{file}", "veilbench", 60)
    assert {"runs", "experiments", "alembic_version"} <= tables(file)
    assert [path.name for path in tmp_path.glob(".mlflow.db*")] == []


def test_a_disk_that_is_full_leaves_no_half_store(tmp_path: Path) -> None:
    settings, file = config(), tmp_path / "store" / "mlflow.db"
    record = make(tmp_path / "r", settings)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(Exception, match=r"full|I/O") as error:
            publish(job(record, settings, file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert isinstance(explain(error.value, f"sqlite:///{file}", file, record), StoreFault)
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db.lock"]
    publish(job(record, settings, file))


def cut(content: bytes, file: Path) -> None:
    file.write_bytes(content[: len(content) // 2])


def overwrite(content: bytes, file: Path) -> None:
    file.write_bytes(b"this is not a database, it is a text of some length\n" * 100)


def half(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE _alembic_tmp_metrics (key TEXT)")


def foreign(content: bytes, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")


def scribble(content: bytes, file: Path) -> None:
    """The header and the list of tables are kept, but the tables are lost."""
    file.write_bytes(content[: 4096 * 40] + b"\xa5" * (len(content) - 4096 * 40))


def doubled(content: bytes, file: Path) -> None:
    """A table was created, but the migration that created it was not recorded."""
    file.write_bytes(content)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE webhook_events")
        connection.execute("UPDATE alembic_version SET version_num = '867495a8f9d4'")


@pytest.mark.parametrize("damage", [cut, overwrite, half, foreign, scribble, doubled])
def test_a_broken_store_is_called_broken_and_left_as_it_is(
    tmp_path: Path, whole: bytes, damage: Callable[[bytes, Path], None]
) -> None:
    settings, file = config(), tmp_path / "mlflow.db"
    record = make(tmp_path / "r", settings)
    damage(whole, file)
    with pytest.raises(Exception, match=r".") as error:
        publish(job(record, settings, file))
    meant = explain(error.value, f"sqlite:///{file}", file, record) if damage in (scribble, doubled) else error.value
    assert isinstance(meant, StoreFault), meant
    assert f"the tracking store {file} is broken" in str(meant)
    assert "move it away and run `python pipelines/track.py` again" in str(meant)
    assert "reached" not in str(meant)
    assert "half" not in damage.__name__ or "_alembic_tmp_metrics" in tables(file)


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_is_no_broken_store(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "mlflow.db"
    if content is None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("VACUUM")  # a header without a table
    else:
        file.write_bytes(content)
    open_store(f"sqlite:///{file}", "veilbench", 60)
    assert "runs" in tables(file)


def test_a_store_that_is_there_keeps_what_it_holds(tmp_path: Path, whole: bytes) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(whole)
    first = open_store(f"sqlite:///{file}", "veilbench", 60)
    run = first.client.create_run(first.group).info.run_id
    again = open_store(f"sqlite:///{file}", "veilbench", 60)
    assert again.group == first.group
    assert again.client.get_run(run).info.experiment_id == first.group


def test_a_store_that_was_moved_away_gets_no_more_runs(tmp_path: Path, whole: bytes) -> None:
    """MLflow's pooled connections keep writing into their file after it was renamed."""
    settings, file = config(), tmp_path / "mlflow.db"
    record = make(tmp_path / "r", settings)
    file.write_bytes(whole)
    publish(job(record, settings, file))
    away = file.rename(tmp_path / "away.db")
    before = away.read_bytes()
    publish(job(record, settings, file))
    assert away.read_bytes() == before
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (4,)


def test_a_locked_store_is_not_called_broken(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    error = sqlite3.OperationalError("database is locked")
    meant = explain(error, f"sqlite:///{file}", file, tmp_path)
    assert isinstance(meant, Unreachable)
    assert f"another program keeps {file} locked" in str(meant)


def test_the_file_of_an_address(tmp_path: Path) -> None:
    assert sqlite_file("sqlite:////a/b.db?timeout=5") == Path("/a/b.db")
    assert sqlite_file("sqlite+pysqlite:///b.db") == tmp_path / "b.db"  # relative to the working folder
    assert sqlite_file("postgresql://h/d") is None


def test_a_record_is_published_by_one_process_at_a_time(tmp_path: Path, whole: bytes) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(whole)
    store = open_store(f"sqlite:///{file}", "veilbench", 60)
    with (
        store.lock_record("one", 0.0),
        store.lock_record("another", 0.0),
        pytest.raises(Busy, match="another process is publishing this record"),
        store.lock_record("one", 0.0),
    ):
        pass
    with store.lock_record("one", 0.0):
        pass
    assert [path.name for path in tmp_path.glob(".mlflow.db*")] == []
