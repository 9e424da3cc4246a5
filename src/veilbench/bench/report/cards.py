"""Cards: what is known about one experiment, in an order that does not depend on what was measured.

What a card holds is data (`specs.Card`); a number that nobody measured has its place, too, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from veilbench.bench.findings import Figure, Findings, Metric, Picture
from veilbench.bench.report.leaderboard import Row
from veilbench.bench.report.numbers import compact, seconds, with_interval, words
from veilbench.bench.report.records import Record
from veilbench.bench.report.specs import Card, Line, Section

MISSING = "not measured"


@dataclass(frozen=True)
class Filled:
    """A section with what was found.

    Attributes:
        section: what it is of.
        tables: columns and lines of cells.
        notes: what was refused, and why.
        parts: evaluations and attacks that are shown here, with their names.
    """

    section: Section
    tables: list[tuple[tuple[str, ...], list[list[str]]]]
    notes: list[str]
    parts: list[tuple[str, str, Findings]] = field(default_factory=list)

    @property
    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Unique names and figures; their titles say whose they are where several parts have some."""
        several = sum(bool(found.figures) for _, _, found in self.parts) > 1
        for stage, key, found in self.parts:
            for index, figure in enumerate(found.figures):
                yield f"{stage}-{key}-{index}", replace(figure, title=_titled(figure.title, key, several))

    @property
    def pictures(self) -> list[Picture]:
        """All of them, titled likewise."""
        several = sum(bool(found.pictures) for _, _, found in self.parts) > 1
        return [
            replace(picture, title=_titled(picture.title, key, several))
            for _, key, found in self.parts
            for picture in found.pictures
        ]


def _titled(title: str, key: str, several: bool) -> str:
    return f"{words(key).capitalize()}: {title}" if several else title


def filled(card: Card, record: Record, row: Row) -> list[Filled]:
    """The card's sections with one experiment's numbers."""
    return [_section(section, card.notes, record, row) for section in card.sections]


def _section(section: Section, repeated: tuple[str, ...], record: Record, row: Row) -> Filled:
    parts = [part for pattern in section.parts for part in record.items() if fnmatchcase(part[1], pattern)]
    tables = [(block.columns, [line for spec in block.lines for line in lines(spec, row)]) for block in section.blocks]
    said = [note for _, _, found in parts for note in found.notes if note.startswith(repeated)]
    return Filled(section, tables, list(dict.fromkeys(said)), parts)


def lines(spec: Line, row: Row) -> list[list[str]]:
    """The lines that a `Line` stands for, each with its label and cells."""
    stars: Sequence[str] = [""]
    if "*" in spec.label:
        before, after = map(re.escape, spec.keys[0].split("*", 1))
        known = (re.fullmatch(f"{before}(.*){after}", key) for key in [*row["metrics"], *row["cost"]["rates"]])
        stars = [match[1] for match in known if match] or [""]
    return [[_label(spec.label, star), *(cell(row, key.replace("*", star)) for key in spec.keys)] for star in stars]


def _label(label: str, star: str) -> str:
    """Without what a star stood for, nothing is left of what led to it."""
    return " ".join(label.replace("*", words(star)).split()).rstrip(" :,")


def cell(row: Row, key: str) -> str:
    """What a card says for a key."""
    if not key:
        return ""
    found: Any = value(row, key)
    if isinstance(found, Metric):
        return with_interval(found)
    if found is None:
        return MISSING
    return seconds(found) if key.endswith("_seconds") else f"{compact(found)}/s"


def value(row: Row, key: str) -> Metric | float | None:
    """A metric, an attack's gain (`<attack>.gain`), a rate or a time; None where there is none."""
    if key in row["metrics"]:
        return Metric(**row["metrics"][key])
    attack, _, last = key.rpartition(".")
    if last == "gain" and row["attacks"].get(attack, {}).get("gain"):
        return Metric(**row["attacks"][attack]["gain"])
    costs: dict[str, float | None] = {**row["cost"]["rates"], **row["cost"]}
    return costs.get(key)
