"""What a stage records about its execution."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from veilbench.bench import stage_run
from veilbench.bench.stage_run import find_commit, read_stage_run, write_stage_run

CONFIG = {"seed": 3, "data": {"seed": 3, "size": 9}, "model": {"seed": 4}, "training": {}, "trainer": {}}


def git(folder: Path, *words: str) -> str:
    options = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *options, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_stage_records_times_commit_and_changed_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that repeats the experiment's is no change, another one is."""
    monkeypatch.setattr(stage_run, "find_commit", lambda folder: "abc-dirty")
    write_stage_run(tmp_path, "train", CONFIG, 5.0, 7.5)
    found = read_stage_run(tmp_path)
    assert found is not None
    assert (found.started, found.ended, found.commit) == (5.0, 7.5, "abc-dirty")
    assert found.changed == {"data.size": 9, "model.seed": 4}


def test_the_commit_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    git(tmp_path, "init", "-q")
    assert find_commit(tmp_path / "none") == ""  # no commit yet
    file = tmp_path / "file"
    file.write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1")  # the name of a tag must not replace the commit
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    find_commit.cache_clear()
    assert find_commit(tmp_path) == commit
    file.write_text("2")
    find_commit.cache_clear()
    assert find_commit(tmp_path) == f"{commit}-dirty"


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_run, "DESCRIBE", (str(tmp_path / "no-git"),))
    find_commit.cache_clear()
    assert find_commit(tmp_path) == ""
