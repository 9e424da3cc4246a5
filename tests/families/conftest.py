from __future__ import annotations

import pytest

from veilbench.families import register_all


@pytest.fixture(scope="session", autouse=True)
def families() -> None:
    register_all()
