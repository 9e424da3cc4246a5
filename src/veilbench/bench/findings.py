"""The findings of a stage: metrics with intervals, tables, figures and a verdict; and their record on disk.

A stage writes one folder, completely or not at all (`bench.folders.write_whole_folder`):

    metrics.json    {"name": value}: every metric and every gain
    headline.json   the main number of an evaluated or attacked experiment of the pipeline, for `dvc metrics`
    findings.json   everything found: `Findings.as_dict`
    curves.csv      long table `curve,x,y,low,high`, for `dvc plots`
    cost.json       seconds and rates, kept apart because they differ between runs and nothing may depend on them
    run.json        when and from which commit the stage ran, written by `bench.stage_run`
    *.safetensors   weights, if there are any
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from veilbench.bench.csv_cells import escape
from veilbench.bench.errors import UserError
from veilbench.bench.verdict import Verdict

CURVES = "curves.csv"
RECORD = ("metrics.json", "findings.json", CURVES, "cost.json")
HEADLINE = "headline.json"
UNITS = ("", "share", "dB")  # leaderboard.schema.json lists the same
CURVE_COLUMNS = ("curve", "x", "y", "low", "high")


class UnusableMetric(ValueError):
    """A metric that is infinite, NaN, outside its own interval, or in an unknown unit."""


@dataclass(frozen=True)
class Metric:
    """A number with its interval.

    Attributes:
        value: the estimate, which must be finite.
        low: lower end of the interval, equal to `value` if the number is exact.
        high: upper end of the interval, equal to `value` if the number is exact.
        n: number of independent observations that the estimate is based on.
        interval: how the interval was computed, such as "Clopper-Pearson 95 %", or "exact".
        unit: one of `UNITS`: "share" for fractions, which are displayed as percentages, "dB" for decibels, empty for
            other numbers.
    """

    value: float
    low: float
    high: float
    n: int
    interval: str = "exact"
    unit: str = ""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise UnusableMetric(f"unit={self.unit!r} must be one of {', '.join(map(repr, UNITS))}")
        if not all(math.isfinite(x) for x in (self.value, self.low, self.high)):
            label = f" ({self.interval})" if self.interval != "exact" else ""
            raise UnusableMetric(f"metric {self.value} [{self.low}, {self.high}]{label} is not finite")
        if not self.low <= self.value <= self.high:
            raise UnusableMetric(f"metric {self.value} lies outside its interval [{self.low}, {self.high}]")

    @classmethod
    def exact(cls, value: float, n: int = 1, unit: str = "") -> Metric:
        """A number that was counted, not estimated."""
        return cls(float(value), float(value), float(value), n, unit=unit)


@dataclass(frozen=True)
class Curve:
    """One line of a figure; `low` and `high` are empty if there is no interval."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    def __post_init__(self) -> None:
        given = [part for part in (self.y, self.low, self.high) if len(part) or part is self.y]
        if {len(part) for part in given} != {len(self.x)}:
            lengths = f"{len(self.x)}, {len(self.y)}, {len(self.low)} and {len(self.high)}"
            raise ValueError(f"x, y, low and high of the curve {self.name!r} must have one length, got {lengths}")


@dataclass(frozen=True)
class Figure:
    """Curves on one pair of axes. The report draws it; the record keeps the numbers.

    Attributes:
        control_curves: names of the curves that belong to a control instead of the model under attack.
        points: whether to draw a scatter plot, without lines between the points.
    """

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    log_x: bool = False
    log_y: bool = False
    control_curves: Sequence[str] = ()
    points: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of texts and numbers under headings; a number is a Metric, a plain number, or None if missing."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | Metric | None]]


@dataclass(frozen=True)
class Picture:
    """An image that is part of the record.

    Attributes:
        title: heading above the image.
        description: alternative text for the image, which says what its rows and columns show.
        png: a PNG file in base64. `metrics.grids.picture` makes one from arrays.
    """

    title: str
    description: str
    png: str


@dataclass(frozen=True)
class Control:
    """The attack on a scheme for which the outcome was known before the run.

    Attributes:
        kind: "positive" (the attack must break it) or "negative" (the attack must do no better than chance).
        name: class name of the scheme that was attacked.
        gain: gain of the attack: 0 is chance, 1 is complete success.
        passed: whether the outcome was the expected one, see `bench.verdict.control_passes`.
        path: the attack's path that the control exercises; empty if the attack has only one.
    """

    kind: str
    name: str
    gain: Metric
    passed: bool
    path: str = ""


@dataclass(frozen=True)
class BudgetCurve:
    """The gain of an attack for increasing budgets.

    Attributes:
        setting: what the budget counts, such as "training steps".
        budgets: the budgets, increasing.
        gains: the gain at each budget, best measured on held-out data.
    """

    setting: str
    budgets: Sequence[float]
    gains: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.budgets) != len(self.gains) or not len(self.budgets):
            raise ValueError(f"{len(self.budgets)} budgets need as many gains, got {len(self.gains)}")
        if any(one >= two for one, two in pairwise(self.budgets)):
            raise ValueError(f"budgets={list(self.budgets)} must increase")

    def last_rise(self) -> float | None:
        """Return by how much the last doubling of the budget, or more, raised the gain; None if it was not doubled."""
        halves = [gain for budget, gain in zip(self.budgets, self.gains, strict=True) if budget <= self.budgets[-1] / 2]
        return float(self.gains[-1] - halves[-1]) if halves else None


@dataclass
class Findings:
    """The results of one evaluation or attack.

    Attributes:
        gain: an attack's gain on its target, with an interval at the level `bench.verdict.CONFIDENCE`; None if the
            attack does not apply, which `reason` explains.
        reason: why the verdict was given, or why there is none. An attack that can decide nothing sets it itself.
        doubt: why a larger budget may raise the gain; empty if it has reached its plateau.
        budget: the gain for increasing budgets; None if the attack has no budget that could be raised.
    """

    title: str
    metrics: dict[str, Metric] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    reason: str = ""
    doubt: str = ""
    budget: BudgetCurve | None = None
    gain: Metric | None = None
    controls: list[Control] = field(default_factory=list)
    threat: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    broken_threshold: float | None = None
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    @classmethod
    def not_applicable(cls, title: str, reason: str, granted: Sequence[str] = ()) -> Findings:
        """Return the findings of an evaluation or attack that a model gives nothing to work on.

        Args:
            title: title of the evaluation or attack.
            reason: what the model lacks, in one line.
            granted: flags of the attack's threat model that are set; empty for an evaluation.
        """
        return cls(title, reason=f"not applicable by construction: {reason}", threat=dict.fromkeys(granted, True))

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain types, without `cost`, which is recorded separately."""
        plain = asdict(self)
        del plain["cost"]
        return plain


def write_record(folder: Path, findings: Mapping[str, Findings]) -> None:
    """Write metrics.json, findings.json, curves.csv and cost.json into `folder`.

    Raises:
        UserError: a number in a figure, a table or a cost is not finite; the message names it.
    """
    write_json(folder / "metrics.json", collect_metrics(findings))
    write_json(folder / "findings.json", {key: f.as_dict() for key, f in findings.items()})
    write_json(folder / "cost.json", {key: f.cost for key, f in findings.items()})
    with (folder / CURVES).open("w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([CURVE_COLUMNS, *curve_rows(findings)])


def collect_metrics(findings: Mapping[str, Findings]) -> dict[str, float]:
    """Return the content of metrics.json: every metric and every gain by its name."""
    metrics = {f"{key}.{name}": metric.value for key, f in findings.items() for name, metric in f.metrics.items()}
    return metrics | {f"{key}.gain": f.gain.value for key, f in findings.items() if f.gain}


def curve_rows(findings: Mapping[str, Findings]) -> Iterator[tuple[str | float, ...]]:
    """Yield the rows of curves.csv, without its header."""
    for curve in (curve for f in findings.values() for figure in f.figures for curve in figure.curves):
        low, high = curve.low or curve.y, curve.high or curve.y
        yield from ((escape(curve.name), *point) for point in zip(curve.x, curve.y, low, high, strict=True))


def write_json(path: Path, content: Any) -> None:
    """Write a file of a record.

    Raises:
        UserError: a number is not finite; the message names its place.
    """
    for place, value in _numbers(content):
        if not math.isfinite(value):
            raise UserError(f"{place} is {value}, but a record may only hold finite numbers")
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf8")


def _numbers(content: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Yield every float in nested plain types, with its place."""
    if isinstance(content, float):
        yield place, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _numbers(value, f"{place}[{index}]")
