from __future__ import annotations

import json
import os
import shutil

import pytest
import yaml
from made_bench import Bench

from veilbench.bench.errors import UserError
from veilbench.bench.report.published import load_published
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
    for words in (*project.names[:2], "report/index.html", "mlflow ui"):
        assert words in printed


def test_a_missing_record_is_a_line_and_the_others_are_shown(
    project: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / "results" / project.names[1] / "attack" / "findings.json").unlink()
    report.main([])
    said = f"{project.names[1]}: cannot read results/{project.names[1]}/attack/findings.json"
    assert f"not shown: {said}" in capsys.readouterr().err
    assert said in (project.root / "report" / "index.html").read_text("utf8")
    rows = json.loads((project.root / "report" / "leaderboard.json").read_text("utf8"))
    assert [row["name"] for row in rows] == project.names[:1]


def test_without_any_record_the_old_report_stays(project: Bench) -> None:
    report.main([])
    before = (project.root / "report" / "index.html").read_bytes()
    for name in project.names[:2]:
        (project.root / "results" / name / "attack" / "findings.json").unlink()
    with pytest.raises(UserError, match=r"no whole record.*findings\.json"):
        report.main([])
    assert (project.root / "report" / "index.html").read_bytes() == before


def test_records_of_a_sweep_are_rows_with_their_overrides(project: Bench) -> None:
    for seed, name in enumerate(project.names[:2]):
        cell = project.root / "multirun" / "mine" / str(seed)
        shutil.copytree(project.root / "results" / name, cell)
        shutil.copy(project.root / "params" / f"{name}.yaml", cell / "experiment.yaml")
        (cell / ".hydra").mkdir()
        (cell / ".hydra" / "overrides.yaml").write_text(f"- experiment=x\n- seed={seed}\n- tracking=none\n")
    (project.root / "multirun" / "mine" / "multirun.yaml").write_text("{}\n")
    report.main(["results", "multirun"])
    rows = json.loads((project.root / "report" / "leaderboard.json").read_text("utf8"))
    labels = [f"{name} seed={seed}" for seed, name in enumerate(project.names[:2])]
    assert [row["name"] for row in rows][:2] == project.names[:2]
    assert [row["name"].partition(" ")[2] for row in rows][2:] == [label.partition(" ")[2] for label in labels]
    assert rows[2]["reproduce"] == ["veilbench run experiment=x seed=0 tracking=none"]


def test_of_equal_names_the_newest_record_is_shown_and_no_unfinished_one(
    project: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    name = project.names[2]
    for place, age, seed in (("new", 0, 5), ("old", 100, 6), (".cell.partial-x", -100, 7)):
        cell = project.root / "multirun" / "mine" / place
        shutil.copytree(project.root / "results" / name, cell)
        config = yaml.safe_load((project.root / "params" / f"{name}.yaml").read_text("utf8")) | {"seed": seed}
        (cell / "experiment.yaml").write_text(yaml.safe_dump(config), "utf8")
        os.utime(cell / "experiment.yaml", (1e9 - age, 1e9 - age))
    report.main(["multirun"])
    rows = json.loads((project.root / "report" / "leaderboard.json").read_text("utf8"))
    assert [row["seed"] for row in rows] == [5]
    assert "another record is called" in capsys.readouterr().err


def test_a_table_of_folders_shows_what_lies_in_them_and_writes_nothing(
    project: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = project.root / "multirun" / "mine" / "0"
    shutil.copytree(project.root / "results" / project.names[2], cell)
    shutil.copy(project.root / "params" / f"{project.names[2]}.yaml", cell / "experiment.yaml")
    report.main(["--table", "multirun"])
    printed = capsys.readouterr().out
    assert project.names[2] in printed
    assert not any(line.startswith(project.names[0]) for line in printed.splitlines())
    report.main(["--table", "results", "multirun/mine"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in project.names[:3])
    assert not (project.root / "report").exists()


def test_rows_are_written_for_others(project: Bench) -> None:
    report.main(["--record", "rows.json"])
    assert [row["name"] for row in load_published(project.root / "rows.json").rows] == project.names[:2]
    assert not (project.root / "report").exists()


def test_a_folder_without_records_is_named(project: Bench) -> None:
    (project.root / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no record: there is no experiment\.yaml"):
        report.main(["empty"])
    with pytest.raises(UserError, match=r"--tabel is not allowed; usage: veilbench report"):
        report.main(["--tabel"])
    with pytest.raises(UserError, match="there is no folder outptus"):
        report.main(["outptus"])


def test_no_report_yet(project: Bench) -> None:
    with pytest.raises(UserError, match=r"cannot read report.leaderboard\.json.*dvc repro report"):
        report.main(["--table"])


def test_no_experiments(project: Bench) -> None:
    (project.root / STAGES).write_text("experiments: {}\n", "utf8")
    with pytest.raises(UserError, match="is damaged: experiments="):
        report.main([])


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["pca"], "not run yet: pca"),
        (list("abcdef"), "not run yet: a, b, c, d, e, f"),
        (list("abcdefg"), "not run yet: 7 experiments of the pipeline, such as a"),
    ],
)
def test_many_experiments_without_results_are_counted(names: list[str], line: str) -> None:
    assert report.describe_not_run(names) == line
