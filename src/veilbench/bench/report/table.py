"""The leaderboard in a terminal, at most 100 characters wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from veilbench.bench.family import Family, in_order
from veilbench.bench.report.columns import controls_cell, measured_columns, metric, verdict_cell
from veilbench.bench.report.leaderboard import Row, strongest
from veilbench.bench.report.numbers import DASH, gain, parts, words
from veilbench.bench.report.specs import Utility
from veilbench.bench.verdict import Verdict

WIDTH, MOST_UTILITY = 100, 4
STYLES = {
    Verdict.BROKEN: "bold red",
    Verdict.LEAKS: "yellow",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.HOLDS: "blue",
}


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print a table per family: a line per experiment with verdict, strongest attack, controls and utility."""
    console = console or _console()
    families = in_order(row["family"] for row in rows)
    for family in families:
        own = [row for row in rows if row["family"] == family.name]
        console.print(_table(family, own, family.title if len(families) > 1 else None))


def _table(family: Family, rows: Sequence[Row], title: str | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title=title)
    table.title_justify, table.title_style = "left", "bold"
    for label in ("Experiment", "Verdict", "Strongest attack"):
        table.add_column(label, overflow="fold")
    shown = measured_columns(family, rows)[:MOST_UTILITY]
    for label in ("Its gain", "Con-\ntrols", *(spec.label.replace(" ", "\n") for spec in shown)):
        table.add_column(label, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row), *(_utility(row, spec) for spec in shown))
    return table


def _console() -> Console:
    """Return a console of at most `WIDTH` characters; exactly `WIDTH` if the output is not a terminal."""
    found = Console()
    return Console(width=min(WIDTH, found.width) if found.is_terminal else WIDTH)


def _cells(row: Row) -> list[Text]:
    verdict, name = verdict_cell(row), strongest(row)
    return [
        Text(row["name"]),
        Text(verdict.text, STYLES[Verdict(verdict.verdict)] if verdict.verdict else "dim"),
        Text(words(name) if name else DASH),
        Text(gain(metric(row["attacks"][name]["gain"]), 2) if name else DASH),
        Text(controls_cell(row).text),
    ]


def _utility(row: Row, spec: Utility) -> Text:
    found = row["metrics"].get(spec.metric)
    return Text(parts(metric(found), spec.digits is None, spec.digits)[0].replace(" %", "%") if found else DASH)
