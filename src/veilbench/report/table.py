"""The leaderboard in a terminal, at most 100 characters wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from veilbench.findings import Verdict
from veilbench.report.columns import controls_cell, metric, strongest, verdict_cell
from veilbench.report.leaderboard import Row
from veilbench.report.numbers import DASH, gain, parts, words

WIDTH = 100
STYLES = {
    Verdict.BROKEN: "bold red",
    Verdict.LEAKS: "yellow",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.HOLDS: "blue",
}


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print one line per experiment: verdict, the strongest attack and its gain, controls, utility."""
    console = console or _console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for label in ("Experiment", "Verdict", "Strongest attack"):
        table.add_column(label, overflow="fold")
    for label in ("Its gain (0 to 1)", "Con-\ntrols", "Round\ntrip", "Bytes/\nchar"):
        table.add_column(label, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)


def _console() -> Console:
    """The terminal, never used beyond `WIDTH`; where there is none, exactly as wide."""
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
        _utility(row, "fidelity.round_trip_english", True),
        _utility(row, "fidelity.bytes_per_character", False),
    ]


def _utility(row: Row, key: str, share: bool) -> Text:
    found = row["metrics"].get(key)
    return Text(parts(metric(found), share, None if share else 2)[0].replace(" %", "%") if found else DASH)
