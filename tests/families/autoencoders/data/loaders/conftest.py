"""What the tests of loaders share: refusals in one line, and where real files lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.raw import Raw, Source, check_raw


def read(source: Source) -> Raw:
    """What a source reads, checked as `RowsData` checks it."""
    return check_raw(source.read(np.random.default_rng(0)))


@pytest.fixture
def refusal() -> Callable[[Source], str]:
    """The one line with which a source refuses to be read."""

    def refused(source: Source) -> str:
        with pytest.raises(UserError) as error:
            read(source)
        assert "\n" not in str(error.value)
        return str(error.value)

    return refused


@pytest.fixture
def reading() -> Callable[[Source], Raw]:
    return read


@pytest.fixture
def shared() -> Path:
    """The folder of real files, which are no part of the project."""
    beside = Path(__file__).parents[5].parent / "shared" / "data"
    folder = Path(os.environ.get("VEILBENCH_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; name their folder with VEILBENCH_SHARED_DATA")
    return folder
