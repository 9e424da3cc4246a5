from __future__ import annotations

from pathlib import Path

import pytest
from made_bench import Bench

from fake_records import bench
from veilbench.families import register_all


@pytest.fixture(scope="session", autouse=True)
def families() -> None:
    register_all()


@pytest.fixture
def made(tmp_path: Path) -> Bench:
    root = tmp_path / "bench"
    return Bench(root, bench(root))
