from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_bench import Bench

from fake_records import bench
from veilbench.bench.report.page import write
from veilbench.families import register_all


@pytest.fixture(scope="session", autouse=True)
def families() -> None:
    register_all()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, families: None) -> Bench:
    """Made-up records that tests only read."""
    root = tmp_path_factory.mktemp("made")
    return Bench(root, bench(root))


@pytest.fixture(scope="session")
def report(made_once: Bench) -> Path:
    """Their page. Tests share it, because its figures take seconds."""
    write(made_once.records(), made_once.root)
    return made_once.root / "index.html"


@pytest.fixture
def made(tmp_path: Path, made_once: Bench) -> Bench:
    """Made-up records that a test may change."""
    root = tmp_path / "bench"
    for name in ("params", "results"):
        shutil.copytree(made_once.root / name, root / name)
    return Bench(root, list(made_once.names))
