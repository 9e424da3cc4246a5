"""Opening a tracking store. A SQLite file is made whole beside its place, or not at all."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veilbench.bench.errors import UserError
from veilbench.bench.masking import mask_secrets
from veilbench.bench.tracking.faults import StoreFault, Unreachable, broken

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ARTIFACTS = "mlartifacts"
HALF = "_alembic_tmp_"  # a table that MLflow renames as soon as it is filled


@dataclass(frozen=True)
class Store:
    """A store that is open.

    Attributes:
        client: MLflow's.
        group: the id of the MLflow experiment under which runs are grouped.
    """

    client: MlflowClient
    group: str


def sqlite_file(address: str) -> Path | None:
    """The file of a SQLite store."""
    if not address.lower().startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    return Path(make_url(address).database or "").resolve()


def open_store(address: str, experiment: str, patience: float) -> Store:
    """Open a store; it and the group of runs are made if they are new.

    Args:
        address: the store's.
        experiment: the name of the group.
        patience: seconds to wait for others who make the same store.

    Raises:
        StoreFault: the store is broken, or its group was deleted.
    """
    quieten()
    file = sqlite_file(address)
    if file is None:
        return _connect(address, experiment, None)
    # A connection that MLflow keeps would go on writing into a file that was moved away since.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    with _alone(file, patience):
        if not _has_tables(file):
            _create(file, address)
        return _connect(address, experiment, Path(ARTIFACTS).resolve().as_uri())


def quieten() -> None:
    """Short answers of servers, and no log lines of MLflow: its errors are said once, by us."""
    for variable, value in (("MAX_RETRIES", "1"), ("TIMEOUT", "10")):
        os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{variable}", value)
    for chatty in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def _connect(address: str, experiment: str, artifacts: str | None) -> Store:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        try:
            return Store(client, client.create_experiment(experiment, artifacts))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(experiment)  # somebody else was quicker
    if found.lifecycle_stage != "active":
        shown = mask_secrets(address, address)
        raise StoreFault(
            f"the MLflow experiment {experiment!r} of {shown} is deleted; restore it with `MLFLOW_TRACKING_URI={shown} "
            f"mlflow experiments restore --experiment-id {found.experiment_id}`, or choose another name with "
            "tracking.experiment=NAME"
        )
    return Store(client, found.experiment_id)


@contextmanager
def _alone(file: Path, patience: float) -> Iterator[None]:
    """One process at a time may make or open a SQLite store: several that make its tables at once break it."""
    from filelock import FileLock, Timeout

    lock = FileLock(f"{file}.lock", timeout=patience)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Unreachable(f"another program keeps {lock.lock_file} locked") from None
    except OSError as error:
        raise StoreFault(f"cannot write the tracking store {file}: {error.strerror}: {error.filename}") from error
    try:
        yield
    finally:
        lock.release()


def _has_tables(file: Path) -> bool:
    """Whether there is a store; one byte or more that is no store, or half of one, is said.

    Raises:
        StoreFault: the file is broken.
    """
    if not file.exists() or not file.stat().st_size:
        return False
    if not file.is_file():
        raise UserError(f"the tracking store {file} is no file")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=20)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise broken(file, f"{error}") from error
    if half := sorted(name for name in tables if name.startswith(HALF)):
        raise broken(file, f"the table {half[0]} is left of a store that was cut short while it was made")
    if tables and "alembic_version" not in tables:
        raise broken(file, "it holds other tables than MLflow's, or was cut short while it was made")
    return bool(tables)


def _create(file: Path, address: str) -> None:
    """Make a store beside its place, then move it there.

    Who holds the lock is alone, so that what lies beside was left by a process that is dead.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.engine import make_url

    beside = file.with_name(f".{file.name}.new")
    _remove(beside)
    try:
        url = make_url(address).set(database=str(beside)).render_as_string(hide_password=False)
        SqlAlchemyStore(url, Path(ARTIFACTS).resolve().as_uri()).engine.dispose()
        beside.replace(file)
    finally:
        _remove(beside)


def _remove(file: Path) -> None:
    """Remove a database, and what SQLite may have put beside it."""
    for ending in ("", "-journal", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
