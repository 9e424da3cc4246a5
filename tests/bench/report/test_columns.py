"""Cells of the leaderboard: what they say, by what they are sorted, and which row's attack is the worst."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from veilbench.bench.findings import Metric
from veilbench.bench.report.columns import columns, controls_cell, groups, measured_columns, verdict_cell
from veilbench.bench.report.leaderboard import strongest
from veilbench.bench.report.numbers import DASH
from veilbench.bench.report.specs import Cell, Rate, Utility
from veilbench.bench.verdict import Verdict

Row = dict[str, Any]


def plain(value: float, unit: str = "") -> Row:
    return vars(Metric(value, value - 0.125, value + 0.125, 9, "x", unit))


def attack(verdict: str | None, value: float | None = None, passed: tuple[bool, ...] = ()) -> Row:
    controls = [{"passed": one} for one in passed]
    gain = None if value is None else plain(value)
    return {"verdict": verdict, "reason": "", "doubt": "", "gain": gain, "controls": controls}


def row(attacks: Row | None = None, metrics: Row | None = None, **cost: Any) -> Row:
    verdicts = [one["verdict"] for one in (attacks or {}).values() if one["verdict"]]
    costs = {"train_seconds": None, "attack_seconds": None, "rates": {}} | cost
    verdict = verdicts[0] if verdicts else None
    return {
        "attacks": attacks or {},
        "metrics": metrics or {},
        "cost": costs,
        "verdict": verdict,
        "verdict_basis": "why",
    }


FAMILY: Any = SimpleNamespace(
    columns=[Utility("e.share", "Share", ""), Utility("e.size", "Size", "", 1), Utility("e.never", "Never", "")],
    rates=[Rate("e.there", "e.back", "Speed", ""), Rate("e.gone", "e.gone", "Gone", "")],
)


def cells(rows: list[Row], label: str) -> list[Cell]:
    (column,) = (column for column in columns(FAMILY, rows) if column.label == label)
    return [column.cell(row) for row in rows]


def test_a_column_is_there_where_a_row_fills_it() -> None:
    rows = [row(metrics={"e.size": plain(3)}), row({"p": attack(None)}, rates={"e.there": 5.0})]
    assert [spec.label for spec in measured_columns(FAMILY, rows)] == ["Size"]
    shown = columns(FAMILY, rows)
    assert [column.label for column in shown] == ["Size", "P", "Controls", "Speed", "Train (attack)"]
    assert groups(shown) == [("Utility", 1), ("Leakage", 2), ("Cost", 2)]
    assert [column.label for column in columns(FAMILY, [row()])] == ["Train (attack)"]


def test_metrics_are_shares_or_have_the_digits_that_are_told() -> None:
    rows = [row(metrics={"e.size": plain(3), "e.share": plain(0.5, "share")}), row()]
    assert cells(rows, "Size") == [Cell("3.0", "[2.9, 3.1]", 3), Cell()]
    assert cells(rows, "Share") == [Cell("50.0 %", "[37.5, 62.5]", 0.5), Cell()]


def test_a_gain_is_shown_with_its_verdict_and_what_is_missing_says_so() -> None:
    rows = [
        row({"p": attack(Verdict.LEAKS, 0.5)}),
        row({"p": {**attack(Verdict.HOLDS, 0.5), "doubt": "budget in doubt: steps was not doubled"}}),
        row({"p": {**attack(None), "reason": "not applicable: no noise"}}),
        row({"p": attack(None)}),
        row(),
    ]
    assert cells(rows, "P") == [
        Cell("0.500", "[0.375, 0.625]", 0.5, Verdict.LEAKS),
        Cell("0.500", "[0.375, 0.625] budget in doubt", 0.5, Verdict.HOLDS),
        Cell("n/a"),
        Cell("n/a", "no verdict"),
        Cell(DASH, "not run"),
    ]


def test_rates_and_times() -> None:
    rows = [
        row(rates={"e.there": 20_000.0, "e.back": 500.0}, train_seconds=150.0, attack_seconds=2.0),
        row(rates={"e.there": 5.0}, train_seconds=0.0),
        row(attack_seconds=0.0),
    ]
    assert cells(rows, "Speed") == [Cell("20 k/s", "(500/s)", 20_000.0), Cell("5/s", "", 5.0), Cell()]
    times = [Cell("2.5 min", "(2.0 s)", 150.0), Cell("< 0.1 s", "", 0.0), Cell(DASH, "(< 0.1 s)", None)]
    assert cells(rows, "Train (attack)") == times


@pytest.mark.parametrize(
    ("attacks", "cell"),
    [
        ({}, Cell(DASH)),
        ({"p": attack(None)}, Cell("none")),
        ({"p": attack(None, 0.5, (True, False)), "q": attack(None, 0.5, (True, True))}, Cell("3/4", "passed", 0.75)),
        ({"p": attack(None, 0.5, (False,))}, Cell("0/1", "passed", 0.0)),
    ],
)
def test_controls_are_counted_over_all_attacks(attacks: Row, cell: Cell) -> None:
    assert controls_cell(row(attacks)) == cell


def test_verdicts_are_sorted_by_how_bad_they_are() -> None:
    order = [Verdict.BROKEN, Verdict.LEAKS, Verdict.INCONCLUSIVE, Verdict.HOLDS]
    found = [verdict_cell(row({"p": attack(verdict, 0.5)})) for verdict in order]
    assert [cell.text for cell in found] == [cell.verdict for cell in found] == order
    assert [cell.key for cell in found] == [0, 1, 2, 3]
    assert verdict_cell(row()) == Cell("not attacked", "why")


def test_the_strongest_attack_has_the_worst_verdict_and_then_the_highest_gain() -> None:
    holds, leaks = attack(Verdict.HOLDS, 0.9), attack(Verdict.LEAKS, 0.1)
    assert strongest(row({"a": holds, "b": leaks})) == "b"
    assert strongest(row({"a": leaks, "b": attack(Verdict.LEAKS, 0.2), "c": holds})) == "b"
    assert strongest(row({"a": attack(None, 0.9), "b": attack(Verdict.BROKEN), "c": holds})) == "c", "both are needed"
    assert strongest(row({"a": attack(None, 0.9)})) is None
