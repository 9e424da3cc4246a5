"""The leaderboard's columns, on the page and in the terminal: utility, leakage, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from veilbench.bench.family import Family
from veilbench.bench.findings import Metric
from veilbench.bench.report.leaderboard import WORST_FIRST, Row
from veilbench.bench.report.numbers import DASH, compact, parts, seconds, words
from veilbench.bench.report.overview import attack_names, titles
from veilbench.bench.report.specs import Cell, Rate, Utility

NOT_ATTACKED = "not attacked"


@dataclass(frozen=True)
class Column:
    """One column: the group it belongs to, its heading, an explanation, and its cell for a row."""

    group: str
    label: str
    explanation: str
    cell: Callable[[Row], Cell]


def measured_columns(family: Family, rows: Sequence[Row]) -> list[Utility]:
    """Return the utility columns of a family that at least one row has a value for."""
    return [spec for spec in family.columns if any(spec.metric in row["metrics"] for row in rows)]


def columns(family: Family, rows: Sequence[Row]) -> list[Column]:
    """Return the columns for a family's rows, in addition to the experiment's name and its verdict."""
    utility = [_utility(spec) for spec in measured_columns(family, rows)]
    leakage = [_leakage(*entry) for entry in titles(attack_names(rows)).items()]
    controls = [Column("Leakage", "Controls", "Controls that gave the known answer", controls_cell)]
    speed = [_speed(spec) for spec in family.rates if any(spec.there in row["cost"]["rates"] for row in rows)]
    time = Column("Cost", "Train (attack)", "Time that the stages took", _time)
    return [*utility, *leakage, *(controls if leakage else []), *speed, time]


def groups(shown: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the groups of the columns in order, each with its number of columns."""
    return [(name, len(list(members))) for name, members in groupby(column.group for column in shown)]


def metric(plain: Row) -> Metric:
    """Create a Metric from its plain form."""
    return Metric(**plain)


def verdict_cell(row: Row) -> Cell:
    """Return the cell of the overall verdict, sorted by severity."""
    if row["verdict"] is None:
        return Cell(NOT_ATTACKED, row["verdict_basis"])
    return Cell(row["verdict"], row["verdict_basis"], WORST_FIRST.index(row["verdict"]), row["verdict"])


def controls_cell(row: Row) -> Cell:
    """Return the cell with the number of controls that had the expected outcome."""
    passed = [control["passed"] for attack in row["attacks"].values() for control in attack["controls"]]
    if not passed:
        return Cell(DASH if not row["attacks"] else "none")
    return Cell(f"{sum(passed)}/{len(passed)}", "passed", sum(passed) / len(passed))


def _utility(spec: Utility) -> Column:
    def cell(row: Row) -> Cell:
        if spec.metric not in row["metrics"]:
            return Cell()
        found = metric(row["metrics"][spec.metric])
        return Cell(*parts(found, spec.digits is None, spec.digits), found.value)

    return Column("Utility", spec.label, spec.explanation, cell)


def _leakage(name: str, title: str) -> Column:
    def cell(row: Row) -> Cell:
        if name not in row["attacks"]:
            return Cell(DASH, "not run")
        attack = row["attacks"][name]
        if attack["gain"] is None:
            return Cell("n/a", "" if attack["reason"] else "no verdict")  # the experiment's section says why
        found = metric(attack["gain"])
        text, detail = parts(found, share=False, digits=3)
        if attack["doubt"]:
            detail = f"{detail} budget in doubt"
        return Cell(text, detail, found.value, attack["verdict"] or "")

    explanation = f"Gain of the attack {words(name)}: 0 is chance, 1 is everything recovered"
    return Column("Leakage", title.capitalize(), explanation, cell)


def _speed(spec: Rate) -> Column:
    def cell(row: Row) -> Cell:
        rates = row["cost"]["rates"]
        if spec.there not in rates:
            return Cell()
        back = f"({compact(rates[spec.back])}/s)" if spec.back in rates else ""
        return Cell(f"{compact(rates[spec.there])}/s", back, rates[spec.there])

    return Column("Cost", spec.label, spec.explanation, cell)


def _time(row: Row) -> Cell:
    train, attack = row["cost"]["train_seconds"], row["cost"]["attack_seconds"]
    attacked = "" if attack is None else f"({seconds(attack)})"
    return Cell(DASH if train is None else seconds(train), attacked, train)
