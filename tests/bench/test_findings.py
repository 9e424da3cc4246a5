"""Findings: the verdict's truth table, and the record's files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Curve, Figure, Findings, Metric, write_record
from veilbench.bench.verdict import Verdict

BROKEN_AT = 0.8
WON, AT_THE_LINE, SOME, AT_CHANCE, BELOW = (
    Metric(0.95, 0.9, 1.0, 3),
    Metric(0.9, BROKEN_AT, 1.0, 3),
    Metric(0.5, 0.01, 0.9, 3),
    Metric(0.1, 0.0, 0.4, 3),
    Metric(-0.1, -0.4, 0.2, 3),
)
WIDE = Metric(0.9, -0.1, 1.0, 3)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_metric_that_is_not_finite_is_refused(wrong: float, place: int) -> None:
    numbers = [0.5, 0.5, 0.5]
    numbers[place] = wrong
    with pytest.raises(ValueError, match="not finite"):
        Metric(*numbers, 1)


@pytest.mark.parametrize("ends", [(0.6, 0.7), (0.3, 0.4), (0.6, 0.4)])
def test_a_metric_outside_its_interval_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="outside its interval"):
        Metric(0.5, *ends, 1)


def test_a_metric_in_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="unit='db' must be one of '', 'share', 'dB'"):
        Metric(0.5, 0.4, 0.6, 1, unit="db")


def test_an_exact_metric_has_no_width() -> None:
    metric = Metric.exact(3, 91, "share")
    assert (metric.low, metric.value, metric.high, metric.n, metric.unit) == (3.0, 3.0, 3.0, 91, "share")
    assert metric.interval == "exact"


def found() -> dict[str, Findings]:
    curves = [Curve("a, b", [1, 2], [0.1, 0.2], [0.0, 0.1], [0.3, 0.4]), Curve("c", [3], [0.5])]
    one = Findings(
        "One",
        metrics={"m": Metric(0.5, 0.25, 0.75, 4)},
        figures=[Figure("F", "x", "y", curves)],
        notes=["a note"],
        verdict=Verdict.LEAKS,
        gain=Metric(0.0, -0.1, 0.1, 3),
        controls=[Control("positive", "S", WON, True)],
        cost={"seconds": 12.5},
    )
    return {"one": one, "two": Findings("Two", metrics={"m": Metric.exact(2)})}


def test_metrics_json_holds_values_and_gains(tmp_path: Path) -> None:
    write_record(tmp_path, found())
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"one.m": 0.5, "two.m": 2.0, "one.gain": 0.0}


def test_findings_json_holds_everything_but_the_cost(tmp_path: Path) -> None:
    write_record(tmp_path, found())
    one = json.loads((tmp_path / "findings.json").read_text())["one"]
    assert one["verdict"] == "leaks"
    assert one["gain"]["high"] == 0.1
    assert one["metrics"]["m"] == {
        "value": 0.5,
        "low": 0.25,
        "high": 0.75,
        "n": 4,
        "interval": "exact",
        "unit": "",
    }
    assert one["controls"][0]["gain"]["low"] == WON.low
    assert one["figures"][0]["curves"][1]["y"] == [0.5]
    assert "12.5" not in (tmp_path / "findings.json").read_text()


def test_the_cost_is_recorded_apart(tmp_path: Path) -> None:
    write_record(tmp_path, found())
    assert json.loads((tmp_path / "cost.json").read_text()) == {"one": {"seconds": 12.5}, "two": {}}


def test_curves_csv_is_one_long_table(tmp_path: Path) -> None:
    write_record(tmp_path, found())
    with (tmp_path / "curves.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["curve", "x", "y", "low", "high"],
        ["a, b", "1", "0.1", "0.0", "0.3"],
        ["a, b", "2", "0.2", "0.1", "0.4"],
        ["c", "3", "0.5", "0.5", "0.5"],
    ]


@pytest.mark.parametrize("columns", [([1, 2], [0.5]), ([1, 2], [0.5, 1], [0.5]), ([1], [0.5], (), [0.5, 1])])
def test_a_curve_with_unequal_columns_is_refused(columns: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError, match="the curve 'c' must have one length"):
        Curve("c", *columns)


def test_a_record_never_holds_nan(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"one\.figures\[0\]\.curves\[0\]\.y\[0\] is nan"):
        write_record(tmp_path, {"one": Findings("One", figures=[Figure("F", "x", "y", [Curve("c", [1], [math.nan])])])})
