"""Fills the cards that summarise one experiment, in an order that does not depend on what was measured.

The content of a card is declared in `specs.Card`. A number that was not measured is shown as such in its cell.
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
    """A section of a card, filled with the numbers of an experiment.

    Attributes:
        section: the declaration of the section.
        tables: for each table its column headings and lines of cells.
        sources: for each line of each table the names of the numbers in its cells.
        notes: notes of the findings that the card repeats.
        parts: the evaluations and attacks shown here, as (stage, name, findings).
    """

    section: Section
    tables: list[tuple[tuple[str, ...], list[list[str]]]]
    notes: list[str]
    parts: list[tuple[str, str, Findings]] = field(default_factory=list)
    sources: list[list[list[str]]] = field(default_factory=list)

    @property
    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Yield a unique name and each figure; titles name the part if several parts have figures."""
        several = sum(bool(found.figures) for _, _, found in self.parts) > 1
        for stage, key, found in self.parts:
            for index, figure in enumerate(found.figures):
                yield f"{stage}-{key}-{index}", replace(figure, title=_titled(figure.title, key, several))

    @property
    def pictures(self) -> list[Picture]:
        """Return the pictures of all parts; titles name the part if several parts have pictures."""
        several = sum(bool(found.pictures) for _, _, found in self.parts) > 1
        return [
            replace(picture, title=_titled(picture.title, key, several))
            for _, key, found in self.parts
            for picture in found.pictures
        ]


def _titled(title: str, key: str, several: bool) -> str:
    return f"{words(key).capitalize()}: {title}" if several else title


def fill_card(card: Card, record: Record, row: Row) -> list[Filled]:
    """Fill the sections of a card with the numbers of one experiment."""
    return [_section(section, card.notes, record, row) for section in card.sections]


def _section(section: Section, repeated: tuple[str, ...], record: Record, row: Row) -> Filled:
    parts = [part for pattern in section.parts for part in record.items() if fnmatchcase(part[1], pattern)]
    tables = [
        (block.columns, [line for spec in block.lines for line in expand_line(spec, row)]) for block in section.blocks
    ]
    notes = [note for _, _, found in parts for note in found.notes if note.startswith(repeated)]
    sources = [[keys for spec in block.lines for _, keys in expand_keys(spec, row)] for block in section.blocks]
    return Filled(section, tables, list(dict.fromkeys(notes)), parts, sources)


def expand_line(spec: Line, row: Row) -> list[list[str]]:
    """Expand a `Line` into lines, each with its label and cells; a star in the label matches any part of a key."""
    return [[label, *(cell(row, key) for key in keys)] for label, keys in expand_keys(spec, row)]


def expand_keys(spec: Line, row: Row) -> list[tuple[str, list[str]]]:
    """Expand a `Line` into the label of each line with the names of the numbers in its cells."""
    stars: Sequence[str] = [""]
    if "*" in spec.label:
        before, after = map(re.escape, spec.keys[0].split("*", 1))
        known = (re.fullmatch(f"{before}(.*){after}", key) for key in [*row["metrics"], *row["cost"]["rates"]])
        stars = [match[1] for match in known if match] or [""]
    return [(_label(spec.label, star), [key.replace("*", star) for key in spec.keys]) for star in stars]


def _label(label: str, star: str) -> str:
    """Replace the star in a label; if it stands for nothing, the punctuation before it is removed, too."""
    return " ".join(label.replace("*", words(star)).split()).rstrip(" :,")


def cell(row: Row, key: str) -> str:
    """Format the value of a key for a card."""
    if not key:
        return ""
    found: Any = value(row, key)
    if isinstance(found, Metric):
        return with_interval(found)
    if found is None:
        return MISSING
    return seconds(found) if key.endswith("_seconds") else f"{compact(found)}/s"


def value(row: Row, key: str) -> Metric | float | None:
    """Look up a metric, an attack's gain (`<attack>.gain`), a rate or a time; None if it was not measured."""
    if key in row["metrics"]:
        return Metric(**row["metrics"][key])
    attack, _, last = key.rpartition(".")
    if last == "gain" and row["attacks"].get(attack, {}).get("gain"):
        return Metric(**row["attacks"][attack]["gain"])
    costs: dict[str, float | None] = {**row["cost"]["rates"], **row["cost"]}
    return costs.get(key)
