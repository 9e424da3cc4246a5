from __future__ import annotations

import json

import pytest
import yaml
from made_bench import Bench

from veilbench.bench.errors import UserError
from veilbench.workflow import report
from veilbench.workflow.listed import STAGES


@pytest.fixture
def project(made: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (made.root / STAGES).parent.mkdir()
    staged = {"experiments": dict.fromkeys(made.names[:2], "text")}
    (made.root / STAGES).write_text(yaml.safe_dump(staged, sort_keys=False), "utf8")
    monkeypatch.chdir(made.root)
    return made


def test_writes_the_whole_report_and_prints_it(project: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([])
    folder = project.root / "report"
    assert {p.name for p in folder.iterdir()} == {"index.html", "leaderboard.json", "leaderboard.csv"}
    assert [row["name"] for row in json.loads((folder / "leaderboard.json").read_text("utf8"))] == project.names[:2]
    report.main(["--table"])
    printed = capsys.readouterr().out
    for words in (*project.names[:2], "report/index.html", "make ui"):
        assert words in printed


def test_keeps_the_old_report_when_a_record_is_missing(project: Bench) -> None:
    report.main([])
    before = (project.root / "report" / "index.html").read_bytes()
    (project.root / "results" / project.names[1] / "attack" / "findings.json").unlink()
    with pytest.raises(UserError, match=r"findings\.json"):
        report.main([])
    assert (project.root / "report" / "index.html").read_bytes() == before


def test_no_report_yet(project: Bench) -> None:
    with pytest.raises(UserError, match=r"cannot read report.leaderboard\.json.*dvc repro report"):
        report.main(["--table"])


def test_no_experiments(project: Bench) -> None:
    (project.root / STAGES).write_text("experiments: {}\n", "utf8")
    with pytest.raises(UserError, match="is damaged: experiments="):
        report.main([])
