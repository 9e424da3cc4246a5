"""The leaderboard in a terminal: 80 characters wide, up to 100 where the terminal is wider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from veilbench.bench.family import Family, in_order
from veilbench.bench.report.columns import controls_cell, measured_columns, metric, verdict_cell
from veilbench.bench.report.leaderboard import Row, strongest
from veilbench.bench.report.names import shorten_all
from veilbench.bench.report.numbers import DASH, gain, parts, words
from veilbench.bench.report.specs import Utility
from veilbench.bench.verdict import Verdict

NARROW, WIDTH, MOST_UTILITY = 80, 100, 4
NAME, SHORTEST_NAME = 20, 10
OTHERS = 46  # width of the columns of verdict, attack, gain and controls
STYLES = {
    Verdict.BROKEN: "bold red",
    Verdict.LEAKS: "yellow",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.HOLDS: "blue",
}


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print a table per family: a line per experiment with verdict, strongest attack, controls and utility.

    Below stand the whole names of the rows whose names were shortened, and the controls that failed.

    Args:
        rows: rows of the leaderboard.
        console: the console to print to; None for the standard output.
    """
    console = console or _console()
    names = shorten_all((row["name"] for row in rows), min(NAME, max(SHORTEST_NAME, console.width - OTHERS)))
    families = in_order(row["family"] for row in rows)
    for family in families:
        own = [row for row in rows if row["family"] == family.name]
        console.print(_fit(family, own, names, console, family.title if len(families) > 1 else None))
    for line in (*_whole_names(names), *_failures(rows, names)):
        console.print(line)


def _whole_names(names: dict[str, str]) -> Iterator[Text]:
    for name, short in names.items():
        if short != name:
            yield Text(f"{short} is {name}", "dim")


def _failures(rows: Sequence[Row], names: dict[str, str]) -> Iterator[Text]:
    for row in rows:
        for key, attack in row["attacks"].items():
            for control in attack["controls"]:
                if control["failure"]:
                    yield Text(f"{names[row['name']]}, {words(key)}: {control['failure']}", "dim")


def _fit(family: Family, rows: Sequence[Row], names: dict[str, str], console: Console, title: str | None) -> Table:
    """Build the table with as many columns of utility as the console has room for."""
    measured, unlimited = measured_columns(family, rows), console.options.update(width=10 * WIDTH)
    for most in range(MOST_UTILITY, -1, -1):
        table = _table(rows, names, measured[:most], title)
        if console.measure(table, options=unlimited).minimum <= console.width:
            break
    return table


def _table(rows: Sequence[Row], names: dict[str, str], shown: Sequence[Utility], title: str | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title=title)
    table.title_justify, table.title_style = "left", "bold"
    table.add_column("Experiment", no_wrap=True)
    cells = [_cells(row) for row in rows]
    for at, label in enumerate(("Verdict", "Strongest attack")):
        whole = [label, *(line[at].plain for line in cells)]
        table.add_column(label, min_width=max(len(word) for text in whole for word in text.split()))
    for label in ("Its gain", "Con-\ntrols", *(spec.label.replace(" ", "\n") for spec in shown)):
        table.add_column(label, justify="right", no_wrap=True)
    for row, line in zip(rows, cells, strict=True):
        table.add_row(names[row["name"]], *line, *(_utility(row, spec) for spec in shown))
    return table


def _console() -> Console:
    """Return a console of at most `WIDTH` characters; exactly `NARROW` if the output is not a terminal."""
    found = Console()
    return Console(width=min(WIDTH, found.width) if found.is_terminal else NARROW)


def _cells(row: Row) -> list[Text]:
    verdict, name = verdict_cell(row), strongest(row)
    return [
        Text(verdict.text, STYLES[Verdict(verdict.verdict)] if verdict.verdict else "dim"),
        Text(words(name) if name else DASH),
        Text(gain(metric(row["attacks"][name]["gain"]), 2).replace(" ", "\n", 1) if name else DASH),
        Text(controls_cell(row).text),
    ]


def _utility(row: Row, spec: Utility) -> Text:
    found = row["metrics"].get(spec.metric)
    return Text(parts(metric(found), spec.digits is None, spec.digits)[0].replace(" %", "%") if found else DASH)
