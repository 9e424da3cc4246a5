"""Draws utility against leakage: a point for each method, with its intervals, in a panel for each kind of leakage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure as Canvas

from veilbench.bench.findings import Metric
from veilbench.bench.report.cards import MISSING, value
from veilbench.bench.report.leaderboard import Row
from veilbench.bench.report.numbers import with_interval
from veilbench.bench.report.specs import Panel, Tradeoff
from veilbench.bench.report.svg import ROLES, SERIES, inline, style

PANEL, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 2.3, 2.6, 0.65, 0.12, 0.32, 0.5
NEAR = (0.13, 0.06)  # distances along the axes within which points share a label
LOWEST = -0.5


@dataclass(frozen=True)
class Point:
    """One method: its place in the list, its name, its utility, and its leakage for each panel."""

    number: int
    name: str
    utility: Metric
    leakage: tuple[Metric | None, ...]


def points(spec: Tradeoff, rows: Sequence[Row]) -> list[Point]:
    """Collect the methods whose utility was measured, numbered in the order of the rows."""
    measured: list[Point] = []
    for row in rows:
        utility = value(row, spec.utility)
        if isinstance(utility, Metric):
            leakage = tuple(_leakage(spec, panel, row) for panel in spec.panels)
            measured.append(Point(len(measured) + 1, row["name"], utility, leakage))
    return measured


def _leakage(spec: Tradeoff, panel: Panel, row: Row) -> Metric | None:
    bits = value(row, spec.key_bits)
    keys = panel.keyless if panel.keyless and isinstance(bits, Metric) and bits.value == 0 else panel.keys
    measured = [metric for key in keys if isinstance(metric := value(row, key), Metric)]
    return max(measured, key=lambda metric: metric.value, default=None)


def table(spec: Tradeoff, methods: Sequence[Point]) -> tuple[list[str], list[list[str]]]:
    """Return the same points as a table: headings and lines."""
    columns = ["", "Method", spec.label, *(f"{panel.title}: {panel.label}" for panel in spec.panels)]
    lines = [
        [str(p.number), p.name, with_interval(p.utility), *(_format(metric) for metric in p.leakage)] for p in methods
    ]
    return columns, lines


def _format(metric: Metric | None) -> str:
    return MISSING if metric is None else with_interval(metric)


def draw(spec: Tradeoff, methods: Sequence[Point], prefix: str) -> str:
    """Draw the figure as an `<svg>`; empty if there is nothing to compare."""
    if len(methods) < 2 or not any(metric for point in methods for metric in point.leakage):
        return ""
    width, height = LEFT + PANEL * len(spec.panels), TOP + HEIGHT + BOTTOM
    with style():
        canvas = Canvas(figsize=(width, height))
        for index, panel in enumerate(spec.panels):
            box = ((LEFT + PANEL * index) / width, BOTTOM / height, (PANEL - RIGHT) / width, HEIGHT / height)
            axes = canvas.add_axes(box)
            _panel(axes, panel, index, methods)
            if index == 0:
                axes.set_ylabel(spec.label)
                axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        return inline(canvas, prefix, spec.title, _words(spec, methods))


def _panel(axes: Any, panel: Panel, index: int, methods: Sequence[Point]) -> None:
    measured = [(point, metric) for point in methods if (metric := point.leakage[index])]
    left = min(0.0, *(max(metric.value, LOWEST) for _, metric in measured)) if measured else 0.0
    axes.set_title(panel.title, fontsize=10, loc="left", color=ROLES["fg"])
    axes.set_xlim(left - 0.08, 1.1)
    axes.set_ylim(-0.05, 1.12)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks([])
    axes.set_xlabel(panel.label)
    axes.grid(axis="both")
    placed = []
    for point, metric in measured:
        x, y = max(metric.value, LOWEST), point.utility.value
        colour = ROLES[f"c{(point.number - 1) % SERIES + 1}"]
        axes.hlines(y, max(metric.low, left - 0.08), metric.high, color=colour, linewidth=1.3)
        axes.vlines(x, point.utility.low, point.utility.high, color=colour, linewidth=1.3)
        axes.plot([x], [y], "o", color=colour)
        placed.append((x, y, point.number))
    for x, y, numbers in clusters(placed):
        beyond = x > 0.7
        axes.annotate(
            ", ".join(map(str, numbers)),
            (x, y),
            (-5 if beyond else 5, 4),
            textcoords="offset points",
            ha="right" if beyond else "left",
            fontsize=9,
        )
    if not measured:
        axes.text(0.5, 0.5, MISSING, ha="center", color=ROLES["muted"])


def clusters(placed: Sequence[tuple[float, float, int]]) -> list[tuple[float, float, list[int]]]:
    """Group points that are close to each other; a group has the position of its first point and all numbers."""
    groups: list[tuple[float, float, list[int]]] = []
    for x, y, number in placed:
        near = next((g for g in groups if abs(g[0] - x) < NEAR[0] and abs(g[1] - y) < NEAR[1]), None)
        if near:
            near[2].append(number)
        else:
            groups.append((x, y, [number]))
    return groups


def _words(spec: Tradeoff, methods: Sequence[Point]) -> str:
    sentences = []
    for point in methods:
        panels = zip(spec.panels, point.leakage, strict=True)
        shown = ", ".join(f"{panel.title} {metric.value:.2f}" for panel, metric in panels if metric)
        sentences.append(f"{point.number} {point.name}: {spec.label} {point.utility.value:.2f}, {shown or MISSING}")
    return "; ".join(sentences)
