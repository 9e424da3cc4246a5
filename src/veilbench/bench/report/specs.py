"""What a family tells the report, as data: columns of the leaderboard, cards, trade-offs, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from veilbench.bench.report.numbers import DASH
from veilbench.bench.report.records import Record


@dataclass(frozen=True)
class Utility:
    """A column for a metric.

    Attributes:
        metric: `evaluation.metric`.
        label: the column's heading.
        explanation: of the heading.
        digits: after the point; None for a share, in per cent.
    """

    metric: str
    label: str
    explanation: str
    digits: int | None = None


@dataclass(frozen=True)
class Rate:
    """A column for two speeds, there and back.

    Attributes:
        there: `evaluation.rate`, per second.
        back: likewise, shown in brackets.
        label: the column's heading.
        explanation: of the heading.
    """

    there: str
    back: str
    label: str
    explanation: str


@dataclass(frozen=True)
class Line:
    """One line of a card's table.

    Attributes:
        label: its heading. Where it has a `*`, there is a line for each thing that the first key's `*` stands for.
        keys: `metric name`, as in the leaderboard, for each column; a rate or a time of the leaderboard's cost; empty
            for a cell that stays so.
    """

    label: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A table: headings of its columns, the first of them over the lines' labels."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Section:
    """One question that a card answers.

    Attributes:
        title: the question's name.
        about: what its numbers are.
        blocks: its tables.
        parts: names of evaluations and attacks, with `*`, whose figures and pictures belong here.
    """

    title: str
    about: str
    blocks: tuple[Block, ...]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """What is said about one experiment.

    Attributes:
        title: of the card.
        about: how to read it.
        sections: in order.
        notes: beginnings of the findings' notes that the card repeats.
    """

    title: str
    about: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One kind of leakage.

    Attributes:
        title: of the panel.
        label: of its axis.
        keys: metrics, or `<attack>.gain`; of several the highest counts, which is the strongest attacker's.
        keyless: instead of `keys`, for methods without a key.
    """

    title: str
    label: str
    keys: tuple[str, ...]
    keyless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tradeoff:
    """What a family's methods are compared by, in a figure.

    Attributes:
        title: of the figure.
        about: how to read it.
        utility: metric.
        label: of its axis.
        panels: what is given away.
        key_bits: metric that is 0 for methods without a key.
    """

    title: str
    about: str
    utility: str
    label: str
    panels: tuple[Panel, ...]
    key_bits: str


@dataclass(frozen=True)
class Cell:
    """One cell: what it says, a second line, what it is sorted by (None comes last), and a verdict's word."""

    text: str = DASH
    detail: str = ""
    key: float | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Entry:
    """One experiment in a comparison: a cell per column."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Comparison:
    """What a family's experiments are compared by, in a table.

    Attributes:
        title: of the table.
        about: how to read it.
        columns: headings with their explanations, beside the experiment's name; the first column holds words.
        entries: made of all the records of a report; none for no table.
    """

    title: str
    about: str
    columns: tuple[tuple[str, str], ...]
    entries: Callable[[Sequence[Record]], Sequence[Entry]]
