"""What a stage found: metrics with intervals, tables, figures, a verdict; and its record on disk.

A stage writes one folder, whole or not at all (`bench.folders.whole_folder`):

    metrics.json    {"name": value}: the headline numbers, for `dvc metrics`
    findings.json   everything found: `Findings.as_dict`
    curves.csv      long table `curve,x,y,low,high`, for `dvc plots`
    cost.json       seconds and rates. Apart, because they differ from run to run and nothing may depend on them
    *.safetensors   weights, where there are any
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from veilbench.bench.csv_cells import escape
from veilbench.bench.errors import UserError

RECORD = ("metrics.json", "findings.json", "curves.csv", "cost.json")
CURVE_COLUMNS = ("curve", "x", "y", "low", "high")


class Verdict(StrEnum):
    """What an attack's outcome is called. There is no word for "secure": an attack can only fail so far."""

    BROKEN = "broken"
    LEAKS = "leaks"
    HOLDS = "holds at this budget"
    INCONCLUSIVE = "inconclusive"


class UnusableMetric(ValueError):
    """A metric that is no number: infinite, NaN, or outside its own interval."""


@dataclass(frozen=True)
class Metric:
    """A number with its interval.

    Attributes:
        value: the estimate.
        low: lower end of the interval, equal to `value` where the number is exact.
        high: upper end.
        n: how many independent observations the estimate rests on.
        interval: how the interval was made, such as "Clopper-Pearson 95 %", or "exact".
        unit: "share" for a part of a whole, which reads as a percentage; empty for other numbers.
    """

    value: float
    low: float
    high: float
    n: int
    interval: str = "exact"
    unit: str = ""

    def __post_init__(self) -> None:
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
    """One line of a figure; `low` and `high` are empty where there is no interval."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Figure:
    """Curves on one pair of axes. The report draws it; the record keeps the numbers.

    Attributes:
        control_curves: names of the curves that belong to a control rather than to the model under attack.
        points: draw dots without lines between them: a cloud.
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
    """Rows of words and numbers under headings; a number is a Metric, a plain number, or None where there is none."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | Metric | None]]


@dataclass(frozen=True)
class Picture:
    """An image to be looked at, kept within the record.

    Attributes:
        title: what it shows.
        description: the same for who cannot see it: what is in its rows and columns.
        png: a PNG file in base64. `metrics.grids.picture` makes one from arrays.
    """

    title: str
    description: str
    png: str


@dataclass(frozen=True)
class Control:
    """A case whose answer was known before the run.

    Attributes:
        kind: "positive" (must be broken) or "negative" (must do no better than chance).
        name: the scheme that was attacked.
        gain: 0 for chance, 1 for everything recovered, as for the attack itself.
        passed: whether the attack did on it what it had to.
    """

    kind: str
    name: str
    gain: Metric
    passed: bool


@dataclass
class Findings:
    """What one evaluation or attack found."""

    title: str
    metrics: dict[str, Metric] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    gain: Metric | None = None
    controls: list[Control] = field(default_factory=list)
    threat: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    broken_threshold: float | None = None
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain types, without the cost, which is recorded apart."""
        plain = asdict(self)
        del plain["cost"]
        return plain


def judge(gain: Metric, positive: Metric | None, negative: Metric | None, broken_threshold: float) -> Verdict:
    """The verdict on an attack, by the gain on its target and on its two controls.

    Args:
        gain: what the attack won on the target: 0 is chance, 1 is everything.
        positive: its gain on a scheme known to be broken; None if no such run was made.
        negative: its gain on a scheme known to be safe.
        broken_threshold: the gain from which the interval's lower end counts as broken.
    """
    if positive is None or negative is None or positive.low < broken_threshold or negative.low > 0:
        return Verdict.INCONCLUSIVE
    if gain.low >= broken_threshold:
        return Verdict.BROKEN
    return Verdict.LEAKS if gain.low > 0 else Verdict.HOLDS


def write_record(folder: Path, findings: Mapping[str, Findings]) -> None:
    """Write metrics.json, findings.json, curves.csv and cost.json into `folder`.

    Raises:
        UserError: a number in a figure, a table or a cost is not finite; the line names it.
    """
    _write_json(folder / "metrics.json", headline(findings))
    _write_json(folder / "findings.json", {key: f.as_dict() for key, f in findings.items()})
    _write_json(folder / "cost.json", {key: f.cost for key, f in findings.items()})
    with (folder / "curves.csv").open("w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([CURVE_COLUMNS, *curve_rows(findings)])


def headline(findings: Mapping[str, Findings]) -> dict[str, float]:
    """What metrics.json holds."""
    metrics = {f"{key}.{name}": metric.value for key, f in findings.items() for name, metric in f.metrics.items()}
    return metrics | {f"{key}.gain": f.gain.value for key, f in findings.items() if f.gain}


def curve_rows(findings: Mapping[str, Findings]) -> Iterator[tuple[str | float, ...]]:
    """What curves.csv holds, below its head."""
    for curve in (curve for f in findings.values() for figure in f.figures for curve in figure.curves):
        low, high = curve.low or curve.y, curve.high or curve.y
        yield from ((escape(curve.name), *point) for point in zip(curve.x, curve.y, low, high, strict=True))


def _write_json(path: Path, content: Any) -> None:
    for place, value in _numbers(content):
        if not math.isfinite(value):
            raise UserError(f"{place} is {value}, and a record holds finite numbers alone")
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf8")


def _numbers(content: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Every float in plain types, with its place."""
    if isinstance(content, float):
        yield place, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _numbers(value, f"{place}[{index}]")
