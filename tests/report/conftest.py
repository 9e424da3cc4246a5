from __future__ import annotations

from pathlib import Path

import pytest
from fake_records import bench
from made_bench import Bench


@pytest.fixture
def made(tmp_path: Path) -> Bench:
    root = tmp_path / "bench"
    return Bench(root, bench(root))
