"""A store whose checkout is moved or copied."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from made_records import config, job, make
from mlflow.tracking import MlflowClient

from veilbench.bench.tracking.moved_store import LOCATIONS, artifact_uri, correct_locations
from veilbench.bench.tracking.publishing import publish


def published(folder: Path, seed: int) -> str:
    """Publish a new record from a checkout, and return the run's id."""
    settings = config(seed=seed)
    return publish(job(make(folder / f"r{seed}", settings), settings, folder / "mlflow.db"))


def config_file(folder: Path, run_id: str) -> Path:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    folder = Path(url2pathname(urlsplit(client.get_run(run_id).info.artifact_uri).path))
    assert (folder / "config.yaml").is_file()
    return folder / "config.yaml"


@pytest.fixture
def old(tmp_path: Path, empty_store: Path) -> Path:
    (tmp_path / "old 1").mkdir()
    shutil.copy(empty_store, tmp_path / "old 1" / "mlflow.db")
    return tmp_path / "old 1"


def test_only_locations_of_the_moved_folder_are_corrected(tmp_path: Path) -> None:
    """In SQL's LIKE, an underscore stands for any letter, and upper and lower case are equal."""
    file, names = tmp_path / "mlflow.db", ("my_dir", "my-dir", "MY_DIR")
    kept = [f"file:///{name}/mlartifacts/1" for name in names]
    with closing(sqlite3.connect(file)) as connection, connection:
        for table, column in LOCATIONS:
            connection.execute(f"CREATE TABLE {table} ({column} TEXT)")
        connection.executemany("INSERT INTO runs VALUES (?)", [(uri,) for uri in [*kept, "file:///my_dir/mlartifacts"]])
        connection.execute("INSERT INTO experiments VALUES ('file:///my_dir/mlartifacts/1')")
    correct_locations(file)
    with closing(sqlite3.connect(file)) as connection:
        found = [uri for (uri,) in connection.execute("SELECT artifact_uri FROM runs")]
    here = artifact_uri(file)
    assert found == [f"{here}/1", *kept[1:], here]


def test_a_moved_checkout_publishes_into_itself(old: Path, tmp_path: Path) -> None:
    first = published(old, 0)
    new = old.rename(tmp_path / "new")
    second = published(new, 1)
    assert not old.exists()
    for run in (first, second):
        assert config_file(new, run) == new / "mlartifacts" / run / "artifacts" / "config.yaml"


def test_a_copied_checkout_publishes_into_itself(old: Path, tmp_path: Path) -> None:
    published(old, 0)
    before = sorted(old.rglob("*"))
    new = Path(shutil.copytree(old, tmp_path / "new"))
    run = published(new, 1)
    assert config_file(new, run).is_relative_to(new)
    assert sorted(old.rglob("*")) == before


def test_a_folder_that_was_chosen_stays(old: Path, tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{old / 'mlflow.db'}")
    client.create_experiment("veilbench", (tmp_path / "elsewhere" / "mlartifacts").as_uri())
    (tmp_path / "elsewhere" / "mlartifacts").mkdir(parents=True)
    run = published(old, 0)
    assert config_file(old, run).is_relative_to(tmp_path / "elsewhere")
