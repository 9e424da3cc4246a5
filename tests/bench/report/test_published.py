"""Rows to publish: what they keep of the leaderboard, and files that are refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from made_bench import Bench

from veilbench.bench.errors import UserError
from veilbench.bench.family import family_named
from veilbench.bench.report.published import find_commit, load_published, publish
from veilbench.version import __version__


def test_rows_keep_attacks_and_the_leaderboards_metrics(made: Bench, tmp_path: Path) -> None:
    rows = made.rows()
    publish(rows, tmp_path / "rows.json")
    found = load_published(tmp_path / "rows.json")
    assert found.version == __version__
    for row, kept in zip(rows, found.rows, strict=True):
        shown = {spec.metric for spec in family_named(row["family"]).columns}
        assert set(kept["metrics"]) == set(row["metrics"]) & shown
        assert kept["attacks"] == json.loads(json.dumps(row["attacks"]))
        assert (kept["digest"], kept["reproduce"]) == (row["digest"], row["reproduce"])
    assert sum(len(row["metrics"]) for row in found.rows) > 0
    publish(rows[:1], tmp_path / "rows.json")
    assert len(load_published(tmp_path / "rows.json").rows) == 1


def test_rows_of_an_earlier_version_are_replaced(made: Bench, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{"rows": [{}], "commit": "", "version": "0"}')
    with pytest.raises(UserError, match="write it again"):
        load_published(path)
    publish(made.rows()[:1], path)
    assert len(load_published(path).rows) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"secret": 1}'])
def test_a_file_that_is_something_else_is_refused_and_kept(made: Bench, tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"mine\.json"):
        publish(made.rows(), path)
    assert path.read_text() == text


def test_the_commit_says_whether_files_were_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert find_commit() == ""
    (tmp_path / "a").write_text("1")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "a"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    commit = find_commit()
    assert len(commit) == 40
    (tmp_path / "a").write_text("2")
    assert find_commit() == f"{commit}+"
