"""Damaged files of a record: each is named, and nothing of the record is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_records import config, make

from veilbench.bench.csv_cells import escape, unescape
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, write_record
from veilbench.bench.tracking.record import read_headline, read_points, read_stages

STAGES = ("train", "evaluate", "attack")
FILES = ("metrics.json", "findings.json", "cost.json", "curves.csv")
RUN = {"started": 5.0, "ended": 7.5, "commit": "abc", "changed": {"model.bits": 8, "model.kinds": ["a"]}}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no text", "folder"])
def test_a_damaged_file_is_named(tmp_path: Path, stage: str, file: str, damage: str) -> None:
    record = make(tmp_path / "r", config())
    assert set(read_stages(record)) == set(STAGES)
    path = record / stage / file
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) - 12], "no text": b"\xff\xfe\x00"}[damage])
    with pytest.raises(UserError) as error:
        read_stages(record)
    assert str(path) in str(error.value)
    assert f"run the stage `{stage}` again" in str(error.value)


def test_a_stage_may_say_when_it_ran(tmp_path: Path) -> None:
    record = make(tmp_path / "r", config())
    assert read_stages(record)["train"].run is None
    (record / "train" / "run.json").write_text(json.dumps(RUN))
    found = read_stages(record)["train"].run
    assert found is not None
    assert vars(found) == RUN
    for damage in ("{", json.dumps(RUN | {"started": "soon"}), json.dumps({"started": 5.0})):
        (record / "train" / "run.json").write_text(damage)
        with pytest.raises(UserError, match=r"train/run\.json is damaged: .*run the stage `train` again"):
            read_stages(record)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"0.5"', "true", "null", "[]", "9" * 400])
@pytest.mark.parametrize("file", ["metrics.json", "cost.json"])
def test_a_number_that_is_none_is_refused_with_its_file_and_name(tmp_path: Path, file: str, number: str) -> None:
    record = make(tmp_path / "r", config())
    path = record / "evaluate" / file
    before = json.loads(path.read_text())
    name = "leak.share" if file == "metrics.json" else "leak.seconds"
    text = path.read_text().replace("0.5", number).replace("2.0", number)
    assert text != json.dumps(before)
    path.write_text(text)
    for read in (read_stages, read_headline):
        with pytest.raises(UserError) as error:
            read(record)
        assert f"{path} is damaged: the metric {name} " in str(error.value)
    path.write_text(json.dumps(before))
    assert read_headline(record)["cost.evaluate.leak.seconds"] == 2.0


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ("loss,1,2\n", 2, "it has 3 cells instead of 5"),
        ("loss,1,2,2,2\nloss,1,2,2,2,2\n", 3, "it has 6 cells"),
        ("loss,1,2,2,2\nloss,one,2,2,2\n", 3, "'one'"),
        ("loss,1,nan,2,2\n", 2, "nan is not a finite number"),
        ("loss,inf,1,2,2\n", 2, "inf is not a finite number"),
        ("loss,1,1,2,-inf\n", 2, "-inf is not a finite number"),
        ("loss,,1,2,2\n", 2, "''"),
        ("\n", 2, "not enough values"),
        ('loss,1,2,2,2\n"loss,1,2', 3, "unexpected end"),
    ],
)
def test_a_malformed_row_of_curves_is_named_with_its_line(tmp_path: Path, rows: str, line: int, words: str) -> None:
    path = tmp_path / "train" / "curves.csv"
    path.parent.mkdir()
    path.write_text("curve,x,y,low,high\n" + rows)
    with pytest.raises(UserError, match=rf"curves\.csv is damaged in line {line}: .*{words}") as error:
        list(read_points(path))
    assert "run the stage `train` again" in str(error.value)


def test_another_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("curve,x,value,low,high\nloss,1,2,3,4\n")
    with pytest.raises(UserError, match=r"damaged in line 1: the columns are curve, x, value"):
        list(read_points(path))


@pytest.mark.parametrize("picture", [{"png": "%%%"}, {"png": "aGVsbG8="}, {"png": 3}, {}, "text"])
def test_a_picture_that_is_none_is_named(tmp_path: Path, picture: object) -> None:
    record = make(tmp_path / "r", config())
    path = record / "attack" / "findings.json"
    found = json.loads(path.read_text())
    found["leak"]["pictures"] = [picture]
    path.write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"damaged at leak\.pictures\[0\]: it is not an image"):
        read_stages(record)


CELLS = [
    "=1+1",
    "+A1",
    "-A1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "-5 dB",
    "'=1",
    "''@x",
    "--1",
    "+",
    "-",
    "-1e",
    "=-1",
    "-inf",
]
PLAIN = ["-1.5e-3", "+5", "-.5", "1e9", "-7.", "word", "a-b", "'word", "", "x=1"]


@pytest.mark.parametrize("cell", CELLS)
def test_cells_that_a_spreadsheet_would_calculate_are_escaped(cell: str) -> None:
    assert escape(cell) == "'" + cell
    assert unescape(escape(cell)) == cell


@pytest.mark.parametrize("cell", PLAIN)
def test_numbers_and_words_stay(cell: str) -> None:
    assert escape(cell) == cell
    assert unescape(cell) == cell


@pytest.mark.parametrize("number", [-1.5e-3, -7, 0.0])
def test_numbers_are_no_text(number: float) -> None:
    assert escape(number) is number


def test_the_names_of_curves_are_escaped_and_read_back(tmp_path: Path) -> None:
    names = [*CELLS, 'ä, "b"\n', *PLAIN]
    made = Findings("F", figures=[Figure("f", "x", "y", [Curve(name, [-1.5e-3], [-2]) for name in names])])
    write_record(tmp_path, {"f": made})
    text = (tmp_path / "curves.csv").read_text(encoding="utf8")
    assert "'-5 dB,-0.0015,-2,-2,-2" in text
    assert [(p.curve, p.x, p.y) for p in read_points(tmp_path / "curves.csv")] == [(n, -1.5e-3, -2.0) for n in names]
