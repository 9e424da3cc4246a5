from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from veilbench.bench.tracking import publisher_process


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test its own working folder and environment, and stop processes afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    yield
    publisher_process.stop()
