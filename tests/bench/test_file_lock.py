"""A lock on a file: waits if another process holds it, fails at once if no lock can be created."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_where_no_lock_can_be_made_nobody_waits() -> None:
    with pytest.raises(UserError, match="cannot write /proc/"), lock_file(Path("/proc/self/mem"), wait=5):
        pass


def test_a_held_lock_is_refused_after_the_wait_and_free_afterwards(tmp_path: Path) -> None:
    with lock_file(tmp_path / "file"):
        with (
            pytest.raises(UserError, match="is being changed by another process"),
            lock_file(tmp_path / "file", wait=0),
        ):
            pass
        (tmp_path / "file").touch()
    with lock_file(tmp_path / "file", wait=0) as path:
        assert path == tmp_path / "file"


def test_no_lock_is_left_where_the_change_was_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="no template store"), lock_file(tmp_path / "file"):
        raise UserError("file is no template store")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_lock_is_left_where_no_file_was_made(tmp_path: Path) -> None:
    with lock_file(tmp_path / "file"):
        pass
    assert list(tmp_path.iterdir()) == []
