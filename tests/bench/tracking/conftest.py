from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from veilbench.bench.tracking import publisher_process
from veilbench.bench.tracking.store import _create as create


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test its own working folder and environment, and stop processes afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    yield
    publisher_process.stop()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with its tables, which MLflow takes seconds to make, and without runs."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    create(file, f"sqlite:///{file}")
    return file


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Path:
    """A copy of the empty store: `store.db` in the working folder of the test."""
    return Path(shutil.copy(empty_store, tmp_path / "store.db"))


@pytest.fixture
def own_store(empty_store: Path, tmp_path: Path) -> Path:
    """A copy of the empty store under the name that publishing takes by itself."""
    return Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
