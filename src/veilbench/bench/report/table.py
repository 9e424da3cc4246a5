"""The leaderboard in a terminal: 80 characters wide, up to 100 where the terminal is wider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
EXPLAINED = 3  # rows
GAP = 2  # between columns: a padding, and the box's divider
OTHERS = 46  # width of the columns of verdict, attack, gain and controls
STYLES = {
    Verdict.BROKEN: "bold red",
    Verdict.LEAKS: "yellow",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.HOLDS: "blue",
}


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print a table per family: a line per experiment with verdict, strongest attack, controls and utility.

    Below stand the whole names of the rows whose names were shortened, and the controls that failed; of more than
    `EXPLAINED` rows, their number.

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
    failed = [
        (names[row["name"]], f"{words(key)}: {control['failure']}")
        for row in rows
        for key, attack in row["attacks"].items()
        for control in attack["controls"]
        if control["failure"]
    ]
    if len(rows) <= EXPLAINED:
        yield from (Text(f"{name}, {why}", "dim") for name, why in failed)
    elif failed:
        counts = ", ".join(f"{name} {count}" for name, count in Counter(name for name, _ in failed).items())
        yield Text(f"Controls that failed, which the page explains: {counts}.", "dim")


def _fit(family: Family, rows: Sequence[Row], names: dict[str, str], console: Console, title: str | None) -> Table:
    """Build the table with as many columns of utility as the console has room for."""
    measured = measured_columns(family, rows)
    for most in range(MOST_UTILITY, -1, -1):
        columns = _columns(rows, names, measured[:most])
        if sum(column.least for column in columns) + GAP * (len(columns) - 1) <= console.width:
            break
    return _table(columns, console.width, title)


@dataclass(frozen=True)
class _Column:
    """A column: its label and cells, and whether its words may stand below each other."""

    label: str
    cells: Sequence[Text]
    wraps: bool = False
    right: bool = False

    @property
    def most(self) -> int:
        """Width of the longest line."""
        return max(len(line) for text in self._texts() for line in text.split("\n"))

    @property
    def least(self) -> int:
        """Width below which something would be cut off."""
        return max(len(word) for text in self._texts() for word in text.split()) if self.wraps else self.most

    def _texts(self) -> list[str]:
        return [self.label, *(cell.plain for cell in self.cells)]


def _columns(rows: Sequence[Row], names: dict[str, str], shown: Sequence[Utility]) -> list[_Column]:
    cells = [_cells(row) for row in rows]
    verdicts, attacks, gains, controls = (list(column) for column in zip(*cells, strict=True))
    return [
        _Column("Experiment", [Text(names[row["name"]]) for row in rows]),
        _Column("Verdict", verdicts, wraps=True),
        _Column("Strongest attack", attacks, wraps=True),
        _Column("Its gain", gains, right=True),
        _Column("Con-\ntrols", controls, right=True),
        *(_Column(one.label.replace(" ", "\n"), [_utility(row, one) for row in rows], right=True) for one in shown),
    ]


def _table(columns: Sequence[_Column], width: int, title: str | None) -> Table:
    """Build a table whose columns all have a width: rich alone would cut numbers off to fit it."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title=title)
    table.title_justify, table.title_style = "left", "bold"
    room = width - sum(column.least for column in columns) - GAP * (len(columns) - 1)
    for column in columns:
        more = max(0, min(room, column.most - column.least))
        room -= more
        table.add_column(column.label, justify="right" if column.right else "left", width=column.least + more)
    for line in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*line)
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
