"""Draws a family's overview: the gain of every attack on every experiment, with intervals, coloured by verdict."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from veilbench.bench.report.leaderboard import Row
from veilbench.bench.report.names import shorten_all
from veilbench.bench.report.numbers import words
from veilbench.bench.report.svg import ROLES, inline, style
from veilbench.bench.verdict import Verdict

PANEL, ROW, LABELS, TOP, BOTTOM = 1.5, 0.28, 1.9, 0.5, 0.95
NARROWEST = 7.0  # width of the legend
NAME, TITLE = 22, 18  # characters that fit before the panels, and into one's width
LOOKS = {
    Verdict.BROKEN: ("broken", "o", True),
    Verdict.LEAKS: ("leaks", "D", True),
    Verdict.INCONCLUSIVE: ("inconclusive", "x", True),
    Verdict.HOLDS: ("holds", "o", False),
}


def attack_names(rows: Sequence[Row]) -> list[str]:
    """Return the names of all attacks of the rows, in the order of their first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row["attacks"]))


def titles(names: Sequence[str]) -> dict[str, str]:
    """Write the names of attacks as words, without the name of the family if all of them begin with it."""
    first = {name.partition("_")[0] for name in names}
    shared = f"{first.pop()}_" if len(names) > 1 and len(first) == 1 else ""
    return {name: words(name.removeprefix(shared)) for name in names}


def overview(rows: Sequence[Row], prefix: str = "overview") -> str:
    """Draw one panel per attack with one line per experiment as an `<svg>`; empty if nothing was attacked."""
    names = attack_names(rows)
    if not names:
        return ""
    width, height = max(LABELS + PANEL * len(names), NARROWEST), TOP + ROW * len(rows) + BOTTOM
    with style():
        canvas = Canvas(figsize=(width, height))
        low, title_of = _lowest(rows), titles(names)
        for index, name in enumerate(names):
            left, bottom = (LABELS + PANEL * index) / width, BOTTOM / height
            box = (left, bottom, (PANEL - 0.16) / width, ROW * len(rows) / height)
            axes = canvas.add_axes(box)
            axes.set_title(fill(title_of[name], TITLE), fontsize=10, loc="left", color=ROLES["fg"])
            _panel(axes, rows, name, low, first=index == 0)
        _key(canvas, LABELS / width)
        canvas.text(LABELS / width, (BOTTOM - 0.48) / height, "gain: 0 is chance, 1 is everything recovered")
        return inline(canvas, prefix, "Gain of every attack on every experiment", _words(rows, names))


def _lowest(rows: Sequence[Row]) -> float:
    """Return the left end of the axes: below every gain, with some room for its interval."""
    attacks = [attack for row in rows for attack in row["attacks"].values() if attack["gain"]]
    gains: list[float] = [attack["gain"]["value"] for attack in attacks]
    return max(-1.0, min([0.0, *gains]) - 0.12)


def _panel(axes: Any, rows: Sequence[Row], name: str, low: float, first: bool) -> None:
    places, short = range(len(rows)), shorten_all(dict.fromkeys(row["name"] for row in rows), NAME)
    axes.set_xlim(low, 1.12)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks(places, [short[row["name"]] for row in rows] if first else [])
    axes.tick_params("y", length=0, labelcolor=ROLES["fg"])
    axes.spines[:].set_visible(False)
    axes.hlines(places, low, 1.12, color=ROLES["grid"], linewidth=0.7, zorder=0)
    axes.axvline(0, color=ROLES["muted"], linewidth=0.8, zorder=0)
    for place, row in enumerate(rows):
        if name in row["attacks"]:
            _point(axes, place, row["attacks"][name], low)
        if name not in row["attacks"] or not row["attacks"][name]["gain"]:
            text = "not applicable" if name in row["attacks"] else "not run"
            axes.text(0.5, place, text, ha="center", va="center", fontsize=8, color=ROLES["muted"])


def _point(axes: Any, place: int, attack: Row, left: float) -> None:
    gain = attack["gain"]
    if gain is None:
        return
    role, marker, filled = LOOKS[Verdict(attack["verdict"] or Verdict.INCONCLUSIVE)]
    colour = ROLES[role]
    axes.hlines(place, max(gain["low"], left), min(gain["high"], 1.12), color=colour, linewidth=1.6)
    face = colour if filled else ROLES["bg"]
    value = min(max(gain["value"], left), 1.12)
    axes.plot([value], [place], marker, color=colour, markerfacecolor=face, ms=5.5)


def _key(canvas: Any, left: float) -> None:
    handles = []
    for verdict, (role, marker, filled) in LOOKS.items():
        face = ROLES[role if filled else "bg"]
        look: dict[str, Any] = {"color": ROLES[role], "marker": marker, "markerfacecolor": face}
        handles.append(Line2D([], [], linestyle="-", label=verdict.value, **look))
    canvas.legend(handles=handles, loc="lower left", bbox_to_anchor=(left, 0), ncols=4, fontsize=9, borderpad=0)


def _words(rows: Sequence[Row], names: Sequence[str]) -> str:
    sentences = []
    for row in rows:
        gains = [f"{words(n)} {_describe_gain(row['attacks'][n])}" for n in names if n in row["attacks"]]
        sentences.append(f"{row['name']}: {', '.join(gains) or 'not attacked'}")
    return "; ".join(sentences)


def _describe_gain(attack: Row) -> str:
    gain = f"{attack['gain']['value']:.2f} " if attack["gain"] else ""
    return f"{gain}({attack['verdict'] or 'no verdict'})"
