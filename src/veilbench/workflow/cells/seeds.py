"""Summarises the cells of a sweep over their seeds: mean and range of each metric for each setting."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veilbench.bench.csv_cells import escape
from veilbench.bench.report.leaderboard import Row, strongest

FILE = "seeds.csv"
COLUMNS = ("setting", "metric", "mean", "lowest", "highest", "seeds")


@dataclass(frozen=True)
class Spread:
    """The values of one metric over seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Return the arithmetic mean."""
        return sum(self.values) / len(self.values)

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{min(self.values):.3g}, {max(self.values):.3g}]"


@dataclass(frozen=True)
class Setting:
    """The rows of one experiment with the same overrides but the seed.

    Attributes:
        name: experiment and overrides, without the seed.
        rows: rows of the leaderboard, one for each seed.
    """

    name: str
    rows: list[Row] = field(default_factory=list)

    def spreads(self) -> dict[str, Spread]:
        """Return the spread of each metric and of each attack's gain, by their names."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            for name, value in _values(row):
                found.setdefault(name, []).append(value)
        return {name: Spread(tuple(values)) for name, values in found.items()}

    def verdicts(self) -> str:
        """Return how often each verdict was given, such as "2 broken, 1 leaks"."""
        counts = Counter(row["verdict"] or "not attacked" for row in self.rows)
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))

    def strongest_gain(self) -> Spread | None:
        """Return the gain of each seed's most successful attack; None if nothing was attacked."""
        found = [(row, name) for row in self.rows if (name := strongest(row))]
        return Spread(tuple(row["attacks"][name]["gain"]["value"] for row, name in found)) if found else None


def group_by_setting(rows: Sequence[Row]) -> list[Setting]:
    """Group rows of the leaderboard that differ in the seed alone, in the order of the rows."""
    settings: dict[str, Setting] = {}
    for row in rows:
        name = " ".join(word for word in row["name"].split(" ") if not word.startswith("seed="))
        settings.setdefault(name, Setting(name)).rows.append(row)
    return list(settings.values())


def write_spreads(settings: Sequence[Setting], folder: Path) -> None:
    """Write seeds.csv into an existing folder: a line for each setting and metric."""
    with (folder / FILE).open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for setting in settings:
            for name, spread in setting.spreads().items():
                numbers = (spread.mean, min(spread.values), max(spread.values), len(spread.values))
                writer.writerow([escape(setting.name), escape(name), *numbers])


def print_spreads(settings: Sequence[Setting]) -> None:
    """Print two lines for each setting: its name, and its seeds, verdicts and the gain of the strongest attack."""
    for setting in settings:
        gain = setting.strongest_gain()
        seeds = f"{len(setting.rows)} seed{'s' * (len(setting.rows) != 1)}"
        print(
            f"{setting.name}\n    {seeds}: {setting.verdicts()}" + (f"; strongest attack's gain {gain}" if gain else "")
        )


def _values(row: Row) -> Iterator[tuple[str, float]]:
    for name, metric in row["metrics"].items():
        yield name, float(metric["value"])
    for name, attack in row["attacks"].items():
        if attack["gain"]:
            yield f"{name}: gain of the verdict", float(attack["gain"]["value"])
