"""Draws the figures of a record: lines with bands, controls dashed, a colour and a marker for each curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count, pairwise
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, NullLocator

from veilbench.bench.findings import Curve, Figure
from veilbench.bench.report.numbers import compact
from veilbench.bench.report.svg import ROLES, SERIES, inline, style

WIDTH, HEIGHT, LINE = 4.4, 2.75, 0.2
MARKERS = "os^Dv*"
DASHES = ((0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))
MOST_MARKERS, FEWEST_FOR_BAND = 30, 4
LABEL = 28  # characters that fit along an axis
Look = dict[str, Any]


def draw(figure: Figure, prefix: str) -> str:
    """Draw a figure as an inline `<svg>` element, without its title, which the page shows as a caption.

    Args:
        figure: the figure to draw.
        prefix: prefix of the element's ids, unique on the page.
    """
    single = not figure.points and bool(figure.curves) and all(len(curve.x) == 1 for curve in figure.curves)
    with style():
        canvas = _dots(figure) if single else _lines(figure)
        return inline(canvas, prefix, figure.title, describe(figure))


def _lines(figure: Figure) -> Canvas:
    """Draw curves on two axes, with a legend below if there are several."""
    named = len(figure.curves) > 1 or any(c.name not in (figure.y_label, figure.title) for c in figure.curves)
    columns = 1 if any(len(curve.name) > 24 for curve in figure.curves) else 2
    legend = LINE * math.ceil(len(figure.curves) / columns) + 0.05 if named else 0
    canvas = Canvas(figsize=(WIDTH, HEIGHT + legend), layout="constrained")
    axes = canvas.add_subplot()
    handles = [_plot(axes, curve, look) for curve, look in zip(figure.curves, choose_looks(figure), strict=True)]
    _scale(axes, figure)
    if named:
        names = [curve.name for curve in figure.curves]
        canvas.legend(handles, names, loc="outside lower left", ncols=columns, fontsize=9, borderpad=0.2)
    return canvas


def _dots(figure: Figure) -> Canvas:
    """Draw curves of a single point: one line for each, with its name on the left and its interval as a bar."""
    canvas = Canvas(figsize=(WIDTH, 0.65 + 0.32 * len(figure.curves)), layout="constrained")
    axes = canvas.add_subplot()
    for place, (curve, look) in enumerate(zip(figure.curves, choose_looks(figure), strict=True)):
        face = ROLES["bg"] if look["hollow"] else look["color"]
        low, high = (curve.low or curve.y)[0], (curve.high or curve.y)[0]
        axes.hlines(place, low, high, color=look["color"], linewidth=1.6)
        axes.plot(curve.y, [place], "o", color=look["color"], markerfacecolor=face)
    axes.set_yticks(range(len(figure.curves)), [curve.name for curve in figure.curves])
    axes.set_ylim(len(figure.curves) - 0.5, -0.5)
    axes.tick_params("y", length=0, labelcolor=ROLES["fg"])
    axes.spines["left"].set_visible(False)
    if figure.log_y:
        axes.set_xscale(**_log([value for curve in figure.curves for value in (*curve.y, *curve.low)]))
    else:
        axes.axvline(0, color=ROLES["muted"], linewidth=0.8, zorder=0)
    axes.set_xlabel(figure.y_label)
    axes.grid(axis="x")
    _label(axes.xaxis)
    return canvas


def _label(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axis.set_minor_locator(NullLocator())


def choose_looks(figure: Figure) -> list[Look]:
    """Choose colour, line and marker of each curve: controls are grey and dashed, the others solid and coloured."""
    ours, theirs = count(), count()
    looks: list[Look] = []
    for curve in figure.curves:
        control = curve.name in figure.control_curves
        index = next(theirs if control else ours)
        colour = ROLES["muted"] if control else ROLES[f"c{index % SERIES + 1}"]
        line = "" if figure.points else DASHES[index % len(DASHES)] if control else "-"
        marker = MARKERS[index % len(MARKERS)] if figure.points or len(curve.x) <= MOST_MARKERS else ""
        order = 2 if control else 3
        look = {"color": colour, "linestyle": line, "marker": marker, "zorder": order, "hollow": control}
        looks.append(look)
    return looks


def _plot(axes: Any, curve: Curve, look: Look) -> Any:
    """Draw a curve, and return its handle for the legend."""
    face = ROLES["bg"] if look.pop("hollow") else look["color"]
    if curve.low and len(curve.x) < FEWEST_FOR_BAND:
        below = [y - low for y, low in zip(curve.y, curve.low, strict=True)]
        above = [high - y for y, high in zip(curve.y, curve.high, strict=True)]
        return axes.errorbar(curve.x, curve.y, [below, above], capsize=3, markerfacecolor=face, **look)
    if curve.low:
        axes.fill_between(curve.x, curve.low, curve.high, color=look["color"], alpha=0.18, linewidth=0)
    return axes.plot(curve.x, curve.y, markerfacecolor=face, **look)[0]


def _scale(axes: Any, figure: Figure) -> None:
    x = [value for curve in figure.curves for value in curve.x]
    y = [value for curve in figure.curves for part in (curve.y, curve.low, curve.high) for value in part]
    if figure.log_x:
        axes.set_xscale(**_log(x))
        if ticks := _sparse(x):
            axes.set_xticks(ticks)
    if y and figure.log_y and max(y) > 10 * min(y):  # within less than a power of ten its axis would have no labels
        axes.set_yscale(**_log(y))
    elif y and not figure.points and min(y) >= 0 and 0.25 < max(y) <= 1:
        axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(fill(figure.y_label, LABEL))
    axes.grid(axis="y")
    _label(axes.xaxis)
    _label(axes.yaxis)


def _sparse(values: Sequence[float]) -> list[float]:
    """Return the values as ticks of a logarithmic axis if they are few and far apart; otherwise none."""
    ticks = sorted(set(values))
    near = any(low <= 0 or high / low < 2 for low, high in pairwise(ticks))
    return ticks if 2 <= len(ticks) <= 6 and not near else []


def _log(values: Sequence[float]) -> Look:
    """Return a logarithmic scale that is linear near zero if a value is not positive."""
    positive = [value for value in values if value > 0]
    if len(positive) == len(values):
        return {"value": "log"}
    return {"value": "symlog", "linthresh": min(positive, default=1.0)}


def describe(figure: Figure) -> str:
    """Describe a figure in words, for screen readers."""
    curves = "; ".join(map(_ends, figure.curves)) or "no curves"
    controls = f" Controls: {', '.join(figure.control_curves)}." if figure.control_curves else ""
    return f"{figure.y_label} against {figure.x_label}. {curves}.{controls}"


def _ends(curve: Curve) -> str:
    if not curve.x:
        return f"{curve.name}: no points"
    ends = dict.fromkeys((0, len(curve.x) - 1))
    return f"{curve.name}: " + ", then ".join(f"{curve.y[i]:.3g} at {curve.x[i]:.6g}" for i in ends)
