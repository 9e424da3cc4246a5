"""Repair of DVC's own files after a kill."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from veilbench.bench.errors import UserError
from veilbench.workflow.dvc_state import DAMAGED, GOOD, LOCK, NOTES, is_whole, keep, mend
from veilbench.workflow.listed import STAGES, read_staged

from .conftest import ROOT, Project

WHOLE = b"""schema: '2.0'
stages:
  resolve:
    cmd: exec python resolve.py
    deps:
    - path: conf
      hash: md5
      md5: 0123.dir
    outs:
    - path: params
      hash: md5
      md5: 4567.dir
  track:
    cmd: exec python track.py
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    NOTES.parent.mkdir(parents=True)
    LOCK.write_bytes(WHOLE)
    return tmp_path


def test_the_committed_lock_is_whole() -> None:
    assert is_whole((ROOT / "dvc.lock").read_bytes())


def test_what_dvc_could_not_read_is_not_whole() -> None:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    def dvc_reads(content: bytes) -> bool:
        try:
            COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(content) or {})
        except (Invalid, yaml.YAMLError):
            return False
        return True

    assert is_whole(WHOLE)
    assert dvc_reads(WHOLE)
    cut = [WHOLE[:length] for length in range(len(WHOLE))]
    assert [content for content in cut if is_whole(content) and not dvc_reads(content)] == []
    assert sum(map(is_whole, cut)) == 3, "a cut between two entries, which DVC takes for a stage that is to be run"
    for content in (
        b"",
        b"\0\n",
        b"- 1\n",
        b"schema: '3.0'\n",
        b"schema: '2.0'\nstages:\n",
        b"schema: '2.0'\nstages: 1\n",
    ):
        assert not is_whole(content)


@pytest.mark.parametrize("damaged", [b"", WHOLE[:100], b"<<<<<<< ours\n" + WHOLE])
def test_a_damaged_lock_is_replaced_by_the_copy_and_kept(
    bench: Path, damaged: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    keep()
    mend()
    assert capsys.readouterr().err == ""
    LOCK.write_bytes(damaged)
    keep()  # must not keep a copy of this
    mend()
    assert LOCK.read_bytes() == GOOD.read_bytes() == WHOLE
    assert DAMAGED.read_bytes() == damaged
    said = capsys.readouterr().err
    assert said.startswith("dvc.lock was damaged")
    assert said.count("\n") == 1


def test_a_damaged_lock_without_a_copy_is_one_line(bench: Path) -> None:
    LOCK.write_bytes(WHOLE[:100])
    with pytest.raises(UserError, match=r"dvc.lock is damaged, and there is no copy"):
        mend()
    assert LOCK.read_bytes() == WHOLE[:100]


def test_without_a_lock_or_without_dvc_nothing_is_to_be_done(bench: Path) -> None:
    keep()
    LOCK.unlink()
    keep()
    mend()
    assert not LOCK.exists()
    assert GOOD.read_bytes() == WHOLE


@pytest.fixture
def others() -> tuple[int, int]:
    """Return the ids of a process that has ended, and of a running one that is not DVC."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid, os.getpid()


def test_notes_of_processes_that_are_gone_are_dropped(bench: Path, others: tuple[int, int]) -> None:
    works = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "dvc"])
    try:
        ended, reused, dvc = ({"pid": number, "cmd": "dvc repro"} for number in (*others, works.pid))
        NOTES.write_text(
            json.dumps({"write": {"/a": ended, "/b": reused, "/c": dvc}, "read": {"/d": [ended, dvc], "/e": [reused]}})
        )
        mend()
        assert json.loads(NOTES.read_text()) == {"write": {"/c": dvc}, "read": {"/d": [dvc]}}
        before = NOTES.stat().st_mtime_ns
        mend()
        assert NOTES.stat().st_mtime_ns == before
    finally:
        works.kill()
        works.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"write": {"/a": {}}}'])
def test_damaged_notes_are_made_anew(bench: Path, content: str) -> None:
    NOTES.write_text(content)
    mend()
    assert json.loads(NOTES.read_text()) == {"write": {}, "read": {}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no params/stages/pipeline.yaml in "),
        ("[", "pipeline.yaml, line 2, column 1"),
        ("1", "pipeline.yaml holds int where keys with values are expected"),
        ("experiments: [a]", r"pipeline.yaml is damaged: experiments=\['a'\]"),
    ],
)
def test_without_a_pipeline_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        STAGES.parent.mkdir(parents=True)
        STAGES.write_text(content)
    with pytest.raises(UserError, match=said):
        read_staged()


@pytest.mark.slow
def test_after_a_kill_within_the_writing_of_the_lock_the_same_command_goes_on(project: Project) -> None:
    first = project.run("python", "pipelines/repro.py", "1")
    assert "damaged" not in first.stderr
    lock = project.folder / LOCK
    whole = lock.read_bytes()
    lock.write_bytes(whole[: random.Random(0).randrange(len(whole))])
    (project.folder / NOTES).write_text("{")
    assert project.run("dvc", "status", ok=False).returncode != 0
    again = project.run("python", "pipelines/repro.py", "1")
    assert "dvc.lock was damaged" in again.stderr
    assert again.stdout == ""  # no stage ran
    assert lock.read_bytes() == whole
