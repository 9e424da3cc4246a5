"""Parts of a record other than metrics and curves: tables, pictures, scatter plots; several families on one page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fake_records import around, config, evaluation, put, training
from unpacked import unpack
from veilbench.bench.family import family_named
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.report.leaderboard import row
from veilbench.bench.report.packing import Pictures
from veilbench.bench.report.page import board, numeric, render
from veilbench.bench.report.records import Record, read_all
from veilbench.metrics.grids import picture

CLOUD = Figure("The code", "first", "second", [Curve("a", [1, 2], [3, -4]), Curve("b", [2], [1])], points=True)
TABLE = Table("Beside others", ["model", "error", "words"], [["this <one>", Metric(0.5, 0.4, 0.6, 9), None]])


def found() -> Findings:
    made = Findings("Reconstruction", {"mse": around(0.25), "code_size": Metric.exact(8)}, [CLOUD])
    made.tables.append(TABLE)
    made.pictures.append(picture("Before & after", [("input", np.zeros((2, 1, 4, 4), np.float32))]))
    return made


def records(root: Path) -> list[Record]:
    put(root, "cipher", {"train": {"training": training()}, "evaluate": evaluation(4.0)})
    put(root, "code", {"evaluate": {"reconstruction": found()}}, config("code", family="autoencoders"))
    return read_all(["cipher", "code"], root / "params", root / "results")


def test_tables_pictures_and_clouds_survive_the_record_and_are_shown(tmp_path: Path) -> None:
    read = records(tmp_path)
    kept = read[1].found["evaluate"]["reconstruction"]
    assert kept.pictures == found().pictures
    assert kept.figures[0].points
    page = unpack(render(read))
    assert "<caption>Beside others</caption>" in page
    assert "this &lt;one&gt;" in page
    assert "0.5" in page
    pictures = Pictures()
    assert [f'data-picture="{strip.place}"' in page for strip in pictures.add(kept.pictures[0].png)] == [True]
    assert pictures.as_json() in page
    assert 'aria-label="Before &amp; after; rows from above: input"' in page


def test_each_family_has_its_own_columns(tmp_path: Path) -> None:
    rows = [row(record) for record in records(tmp_path)]
    labels = {f: [c.label for c in board(family_named(f), rows)["columns"]] for f in ("ciphers", "autoencoders")}
    assert "Round trip" in labels["ciphers"]
    assert "Round trip" not in labels["autoencoders"]
    assert {"Error", "Code"} <= set(labels["autoencoders"])
    assert render(records(tmp_path / "again")).count('<table class="board">') == 2


def test_columns_of_words_stand_left_like_words() -> None:
    lines = [["a", "seen", Metric(0.5, 0.4, 0.6, 9), None], ["b", "heard", 2.0, None]]
    assert numeric(Table("t", ["who", "how", "error", "left out"], lines)) == {2, 3}
