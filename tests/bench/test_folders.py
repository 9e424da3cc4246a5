"""Folders are complete or absent, even if writing fails or is killed."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from veilbench.bench import beside, folders
from veilbench.bench.beside import lock_abandoned, write_whole_file
from veilbench.bench.errors import UserError
from veilbench.bench.folders import content_digest, find_full_disk, write_whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def earlier(target: Path, **files: str) -> Path:
    target.mkdir(parents=True)
    for name, text in files.items():
        (target / name).write_text(text)
    return target


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "record"
    with write_whole_folder(target) as partial:
        (partial / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_finished_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = earlier(tmp_path / "record", stale="old", file="old")
    with write_whole_folder(target, ["stale", "file"]) as partial:
        assert names(target) == ["file", "stale"]
        (partial / "file").write_text("new")
    assert names(target) == ["file"]
    assert names(tmp_path) == ["record"]


def write_half(target: Path, failure: BaseException) -> None:
    with write_whole_folder(target, ["file"]) as partial:
        (partial / "file").write_text("half")
        raise failure


@pytest.mark.parametrize("failure", [RuntimeError(), KeyboardInterrupt(), FileNotFoundError(2, "x", "some data")])
def test_an_exception_leaves_nothing_and_keeps_the_old_folder(tmp_path: Path, failure: BaseException) -> None:
    target = earlier(tmp_path / "record", file="old")
    with pytest.raises(type(failure)):
        write_half(target, failure)
    assert list(tmp_path.iterdir()) == [target]
    assert (target / "file").read_text() == "old"


def test_an_exception_leaves_no_new_folder_and_none_above_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for target in (tmp_path / "record", tmp_path / "deep" / "er" / "record", tmp_path / "there" / "record"):
        with pytest.raises(RuntimeError):
            write_half(target, RuntimeError())
    assert names(tmp_path) == ["there"]
    assert names(tmp_path / "there") == []


def test_a_folder_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file" / "record", tmp_path / "file"):
        with pytest.raises(UserError, match="cannot write the folder"), write_whole_folder(target):
            pytest.fail("the block must not run")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("ours", [[], ["file"]])
def test_what_somebody_else_wrote_is_refused_before_the_work_begins(tmp_path: Path, ours: list[str]) -> None:
    target = earlier(tmp_path / "record", file="ours", notes="theirs")
    said = pytest.raises(
        UserError, match=r"record holds (notes|file), which this command has not written and will not delete"
    )
    with said, write_whole_folder(target, ours):
        pytest.fail("the block must not run")
    assert names(target) == ["file", "notes"]
    assert names(tmp_path) == ["record"]


def test_what_somebody_writes_meanwhile_is_kept(tmp_path: Path) -> None:
    target = earlier(tmp_path / "record", file="old")
    with pytest.raises(UserError, match="record holds notes"), write_whole_folder(target, ["file"]):
        (target / "notes").write_text("theirs")
    assert (target / "notes").read_text() == "theirs"
    assert (target / "file").read_text() == "old"
    assert names(tmp_path) == ["record"]


def test_the_target_of_a_link_is_replaced_and_not_the_link(tmp_path: Path) -> None:
    target = earlier(tmp_path / "disk" / "record", file="old")
    link = tmp_path / "record"
    link.symlink_to(target)
    with write_whole_folder(link, ["file"]) as partial:
        (partial / "file").write_text("new")
    assert link.is_symlink()
    assert (target / "file").read_text() == "new"
    assert names(target.parent) == ["record"]


def test_a_failure_in_the_moment_of_replacing_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = earlier(tmp_path / "record", file="old"), Path.rename

    def failing(self: Path, other: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(UserError, match=r"cannot write the folder .*record"), write_whole_folder(target, ["file"]):
        pass
    assert (target / "file").read_text() == "old"
    assert names(tmp_path) == ["record"]


KILLED = """
import os, signal, sys
from pathlib import Path
from veilbench.bench.folders import write_whole_folder
rename, moment = Path.rename, sys.argv[2]
def dying(self, other):
    if moment == "before" and ".partial-" not in self.name: os.kill(os.getpid(), signal.SIGKILL)
    if moment == "between" and ".partial-" in self.name: os.kill(os.getpid(), signal.SIGKILL)
    done = rename(self, other)
    if moment == "after" and ".partial-" in self.name: os.kill(os.getpid(), signal.SIGKILL)
    return done
Path.rename = dying
with write_whole_folder(Path(sys.argv[1]), ["file"]) as partial:
    (partial / "file").write_text("new")
    if moment == "within": os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["within", "before", "between", "after"])
def test_after_a_kill_at_any_moment_the_old_or_the_new_folder_is_there_and_nothing_else(
    tmp_path: Path, moment: str
) -> None:
    target = earlier(tmp_path / "record", file="old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2, "a leftover"
    with pytest.raises(RuntimeError):  # this call fails as well, so that only the cleaning up after the kill is tested
        write_half(target, RuntimeError())
    assert names(tmp_path) == ["record"]
    assert (target / "file").read_text() == ("new" if moment == "after" else "old")


def test_what_a_running_process_writes_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "record"
    with write_whole_folder(target) as first:
        (first / "file").write_text("first")
        with write_whole_folder(target) as second:  # a lock belongs to the descriptor, not to the process
            assert first.is_dir()
            (second / "file").write_text("second")
        with pytest.raises(RuntimeError):
            write_half(target, RuntimeError())
        (target / "file").unlink()
    assert (target / "file").read_text() == "first"
    assert names(tmp_path) == ["record"]


def test_leftovers_of_another_host_and_of_other_folders_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        beside.name_beside(tmp_path / "record", folders.PARTIAL).mkdir()
    beside.name_beside(tmp_path / "record2", folders.PARTIAL).mkdir()
    beside.name_beside(tmp_path / "record", folders.PARTIAL).mkdir()
    before = names(tmp_path)
    with write_whole_folder(tmp_path / "record"):
        pass
    assert len(names(tmp_path)) == 3
    assert set(names(tmp_path)) - set(before) == {"record"}


def test_a_name_of_any_length_has_its_leftovers(tmp_path: Path) -> None:
    long = tmp_path / ("ä" * 120)
    made = beside.name_beside(long, folders.PARTIAL)
    made.mkdir()
    with lock_abandoned(long, folders.PARTIAL) as left:
        assert left == [made]
    with write_whole_folder(long) as partial:
        (partial / "file").write_text("new")
    assert names(tmp_path) == [long.name]


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_in_rust(partial: Path) -> None:
    save_file({"a": np.zeros(10_000)}, partial / "file")


@pytest.mark.parametrize(
    "write",
    [lambda partial: full(), full_in_rust, lambda partial: (partial / "file").write_bytes(bytes(10_000))],
    ids=["no space", "safetensors", "limit"],
)
def test_a_full_disk_is_one_line_that_names_the_folder(tmp_path: Path, write: Callable[[Path], object]) -> None:
    target = earlier(tmp_path / "record", file="old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    said = pytest.raises(UserError, match=r"cannot write the folder .*record: (No space|File too)")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with said as told, write_whole_folder(target, ["file"]) as partial:
            write(partial)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(told.value)
    assert (target / "file").read_text() == "old"
    assert names(tmp_path) == ["record"]


def test_only_a_full_disk_is_no_room() -> None:
    within = RuntimeError("the writer failed")
    within.__context__ = OSError(errno.EDQUOT, "quota")
    assert find_full_disk(within) == os.strerror(errno.EDQUOT)
    for other in (None, RuntimeError("x"), OSError(errno.EACCES, "denied"), ValueError("os error 28")):
        assert find_full_disk(other) is None


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with write_whole_file(link) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert (path.read_text(), path.stat().st_mode & 0o777, link.is_symlink()) == ("new", 0o640, True)
    with pytest.raises(LookupError), write_whole_file(path) as partial:
        partial.write_text("half", encoding="nonesuch")
    assert path.read_text() == "new"
    beside.name_beside(path, "part").write_text("left by a kill")
    with write_whole_file(path) as partial:
        partial.write_text("newer")
    assert names(tmp_path) == ["file", "link"]


def test_a_digest_of_contents_knows_names_and_bytes_at_any_depth(tmp_path: Path) -> None:
    folder = earlier(tmp_path / "data", a="1", b="2")
    (folder / "deep").mkdir()
    (folder / "deep" / "c").write_text("3")
    found = {content_digest(folder)}
    (folder / "deep" / "c").write_text("4")
    found.add(content_digest(folder))
    (folder / "deep" / "c").rename(folder / "deep" / "d")
    found.add(content_digest(folder))
    (folder / "a").write_text("2")
    (folder / "b").write_text("1")
    found.add(content_digest(folder))
    assert len(found) == 4
    assert content_digest(folder) == content_digest(folder)
