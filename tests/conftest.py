from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veilbench.workflow import forking

# The server runs as a file, and not as a module: veilbench itself must come from the folder of each script.
SERVE = """
import runpy, sys
from pathlib import Path
forking = runpy.run_path(sys.argv[1])
forking["_die_with_parent"]()
libraries = ("hydra._internal.hydra", "hydra.main", "mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store")
forking["serve"](Path(sys.argv[2]), (*forking["LIBRARIES"], *libraries))
"""


def pytest_collection_finish() -> None:
    """Leave what imports and collection made out of garbage collection, which looks at all of it otherwise."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment variable with which scripts of pipelines/ are forks of one process that imports libraries once.

    It is what `repro` does, see `veilbench.workflow.forking`. A script takes a second then, and not eight.
    """
    path = tmp_path_factory.mktemp("forks") / "socket"
    server = subprocess.Popen([sys.executable, "-c", SERVE, forking.__file__, str(path)])
    while not path.exists():
        assert server.poll() is None
        time.sleep(0.05)
    yield {forking.SOCKET: str(path)}
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no Chromium is installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


@pytest.fixture
def shots() -> Path | None:
    """The folder VEILBENCH_SCREENSHOTS; None leaves out screenshots, which take seconds."""
    if "VEILBENCH_SCREENSHOTS" not in os.environ:
        return None
    folder = Path(os.environ["VEILBENCH_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder
