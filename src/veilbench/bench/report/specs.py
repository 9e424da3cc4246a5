"""Declarations of what the report shows of a family: columns of the leaderboard, cards, trade-offs and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from veilbench.bench.report.numbers import DASH
from veilbench.bench.report.records import Record


@dataclass(frozen=True)
class Utility:
    """A column for a metric.

    Attributes:
        metric: name of the metric, as `evaluation.metric`.
        label: heading of the column in tables.
        explanation: one sentence that explains the heading.
        digits: number of decimals; None for a share, shown in per cent.
    """

    metric: str
    label: str
    explanation: str
    digits: int | None = None


@dataclass(frozen=True)
class Rate:
    """A column for the speeds of an operation and of its inverse, such as encryption and decryption.

    Attributes:
        there: name of the operation's rate, as `evaluation.rate`, in units per second.
        back: name of the inverse operation's rate, shown in brackets.
        label: heading of the column in tables.
        explanation: one sentence that explains the heading.
    """

    there: str
    back: str
    label: str
    explanation: str


@dataclass(frozen=True)
class Line:
    """One line of a card's table.

    Attributes:
        label: heading of the line. If it has a `*`, there is one line for each match of the `*` in the first key.
        keys: for each column the name of a metric, rate or time of the leaderboard; "" leaves the cell empty.
    """

    label: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A table of a card: column headings, the first of which is above the labels, and lines."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Section:
    """One question that a card answers.

    Attributes:
        title: heading of the section.
        about: explanation of its numbers.
        blocks: the tables of the section.
        parts: names of evaluations and attacks, with `*`, whose figures and pictures belong here.
    """

    title: str
    about: str
    blocks: tuple[Block, ...]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """The declaration of a card, which summarises one experiment.

    Attributes:
        title: heading of the card.
        about: explanation of how to read it.
        sections: the sections in order.
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
        title: heading of the panel.
        label: label of its axis.
        keys: metrics, or `<attack>.gain`; the highest value counts, which is that of the strongest attacker.
        keyless: keys to use instead of `keys` for methods without a key.
    """

    title: str
    label: str
    keys: tuple[str, ...]
    keyless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tradeoff:
    """The declaration of a figure that compares the utility of a family's methods with their leakage.

    Attributes:
        title: title of the figure.
        about: explanation of how to read it.
        utility: the metric on the utility axis.
        label: label of the utility axis.
        panels: one panel for each kind of leakage.
        key_bits: a metric that is 0 for methods without a key.
    """

    title: str
    about: str
    utility: str
    label: str
    panels: tuple[Panel, ...]
    key_bits: str


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what the cell says.
        detail: a second line.
        key: the number by which the table is sorted; None comes last.
        verdict: the verdict on the number, or the verdict that the cell prints.
        source: name of the metric, gain, rate or time that the cell shows, such as `fidelity.round_trip`; the page
            links the number to the part of the experiment's section where it stands with its command.
    """

    text: str = DASH
    detail: str = ""
    key: float | None = None
    verdict: str = ""
    source: str = ""


@dataclass(frozen=True)
class Entry:
    """One experiment in a comparison: a cell per column."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Comparison:
    """The declaration of a table that compares a family's experiments.

    Attributes:
        title: title of the table.
        about: explanation of how to read it.
        columns: headings with explanations, in addition to the experiment's name; the first column holds texts.
        entries: function that builds the rows from all records of a report; the table is left out without rows.
    """

    title: str
    about: str
    columns: tuple[tuple[str, str], ...]
    entries: Callable[[Sequence[Record]], Sequence[Entry]]
