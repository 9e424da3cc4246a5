"""Opens a tracking store. A new SQLite file is created under a temporary name and then renamed."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import BaseFileLock, FileLock, Timeout

from veilbench.bench.database_lock import lock_database
from veilbench.bench.errors import UserError
from veilbench.bench.masking import mask_secrets
from veilbench.bench.tracking.faults import StoreFault, Unreachable, broken_store
from veilbench.bench.tracking.moved_store import artifact_uri, correct_locations

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

TAGS = {  # of the MLflow experiment; without a kind, MLflow's page opens for GenAI, with traces
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "Each row is one experiment with one seed and one set of overrides. "
    "Open the menu **Views** and choose a family to compare its models: privacy against utility.",
}
HALF = "_alembic_tmp_"  # prefix of tables that MLflow renames as soon as they are complete


class Busy(UserError):
    """Another process is publishing this record."""


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes:
        client: MLflow's client for the store.
        group: the id of the MLflow experiment under which runs are grouped.
        tags: the tags of that experiment when the store was opened.
        file: file of the store if it is SQLite, otherwise None.
    """

    client: MlflowClient
    group: str
    tags: dict[str, str] = field(default_factory=dict)
    file: Path | None = None

    @contextmanager
    def lock_record(self, digest: str, patience: float) -> Iterator[None]:
        """Let one process at a time publish a record within the block; a server has no lock and lets all in.

        The operating system releases the lock when the process ends, however it ends.

        Args:
            digest: digest that identifies the record.
            patience: seconds to wait for another process that publishes the record.

        Raises:
            Busy: another process still publishes the record after `patience`.
        """
        if self.file is None:
            yield
            return
        path = self.file.with_name(f".{self.file.name}.{digest}.lock")
        try:
            lock = _acquire(path, patience)
        except Timeout:
            raise Busy(f"another process is publishing this record: it keeps {path} locked") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # waiting processes see that it is gone, and create a new one
            lock.release()


def sqlite_file(address: str) -> Path | None:
    """Return the file of a SQLite store; None for other stores."""
    if not address.lower().startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    return Path(make_url(address).database or "").resolve()


def open_store(address: str, experiment: str, patience: float) -> Store:
    """Open a store, and create it and its MLflow experiment if they do not exist.

    Args:
        address: address of the store.
        experiment: name of the MLflow experiment that groups the runs.
        patience: seconds to wait for other processes that create or open the same store.

    Raises:
        StoreFault: the store is broken, or its group was deleted.
    """
    quieten()
    file = sqlite_file(address)
    if file is None:
        with lock_database(address):
            return _connect(address, experiment, None)
    # A pooled connection would keep writing into a file that has been moved away.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    with _lock_store(file, patience):
        if not _has_tables(file):
            _create(file, address)
        else:
            correct_locations(file)
        return replace(_connect(address, experiment, artifact_uri(file)), file=file)


def quieten() -> None:
    """Set short timeouts, and silence the logs of MLflow and its libraries: errors are reported once, by us."""
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
            return Store(client, client.create_experiment(experiment, artifacts, dict(TAGS)), dict(TAGS))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(experiment)  # another process has created it meanwhile
    if found.lifecycle_stage != "active":
        shown = mask_secrets(address, address)
        raise StoreFault(
            f"the MLflow experiment {experiment!r} of {shown} is deleted; restore it with `MLFLOW_TRACKING_URI={shown} "
            f"mlflow experiments restore --experiment-id {found.experiment_id}`, or choose another name with "
            "tracking.experiment=NAME"
        )
    for key, value in TAGS.items():
        if key not in found.tags:  # of an earlier version; what the user has set stays
            client.set_experiment_tag(found.experiment_id, key, value)
    return Store(client, found.experiment_id, dict(found.tags))


@contextmanager
def _lock_store(file: Path, patience: float) -> Iterator[None]:
    """Lock a SQLite store while it is created or opened: processes that create its tables at once break it."""
    path = Path(f"{file}.lock")
    try:
        lock = _acquire(path, patience)
    except Timeout:
        raise Unreachable(f"another program keeps {path} locked") from None
    try:
        yield
    finally:
        lock.release()


def _acquire(path: Path, patience: float) -> BaseFileLock:
    lock = FileLock(path, timeout=patience)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout):
            raise
        raise StoreFault(f"cannot write {path} beside the tracking store: {error.strerror}") from error
    return lock


def _has_tables(file: Path) -> bool:
    """Whether the file holds a store; False if it is missing or empty.

    Raises:
        StoreFault: the file holds something else, or an incomplete store.
    """
    if not file.exists() or not file.stat().st_size:
        return False
    if not file.is_file():
        raise UserError(f"the tracking store {file} is not a file")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=20)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise broken_store(file, f"{error}") from error
    if half := sorted(name for name in tables if name.startswith(HALF)):
        raise broken_store(file, f"the table {half[0]} shows that its creation was interrupted")
    if tables and "alembic_version" not in tables:
        raise broken_store(file, "it does not hold MLflow's tables, or its creation was interrupted")
    return bool(tables)


def _create(file: Path, address: str) -> None:
    """Create a store under a temporary name, then rename it.

    The caller holds the lock, so an existing temporary file was left by a process that has died.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.engine import make_url

    temporary = file.with_name(f".{file.name}.new")
    _remove(temporary)
    try:
        url = make_url(address).set(database=str(temporary)).render_as_string(hide_password=False)
        SqlAlchemyStore(url, artifact_uri(file)).engine.dispose()
        temporary.replace(file)
    finally:
        _remove(temporary)


def _remove(file: Path) -> None:
    """Remove a database and the auxiliary files of SQLite."""
    for ending in ("", "-journal", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
