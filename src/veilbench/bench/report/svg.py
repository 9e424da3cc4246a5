"""Converts a matplotlib canvas to a small inline SVG that takes its colours and fonts from the page."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
SERIES = 6
# A placeholder colour for each role; it is replaced by the page's CSS variable of that name after drawing.
ROLES = {
    "fg": "#000001",
    "muted": "#000002",
    "grid": "#000003",
    "bg": "#000004",
    "broken": "#000005",
    "leaks": "#000006",
    "inconclusive": "#000007",
    "holds": "#000008",
    **{f"c{index + 1}": f"#0000{index + 16:x}" for index in range(SERIES)},
}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "veilbench",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": ROLES["fg"],
    "axes.facecolor": "none",
    "axes.edgecolor": ROLES["muted"],
    "axes.labelcolor": ROLES["fg"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": ROLES["muted"],
    "ytick.color": ROLES["muted"],
    "grid.color": ROLES["grid"],
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "path.simplify_threshold": 0.5,
}


def style() -> AbstractContextManager[None]:
    """Apply the style for creating and drawing canvases, independent of the user's matplotlib settings."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "svg", **_STYLE})


def inline(canvas: Canvas, prefix: str, title: str, description: str) -> str:
    """Draw a canvas as an `<svg>` element, the same bytes for the same canvas.

    Args:
        canvas: the canvas to draw, created within `style`.
        prefix: prefix of the element's ids, unique on the page.
        title: title for screen readers.
        description: description of the drawing for screen readers.
    """
    buffer = io.StringIO()
    canvas.set_facecolor("none")
    FigureCanvasSVG(canvas).print_svg(buffer, metadata={"Date": None})  # `savefig` would draw twice
    root = ElementTree.fromstring(buffer.getvalue())
    _prune(root)
    _rename(root, prefix)
    for element in root.iter():
        _tidy(element)
    _describe(root, prefix, title, description)
    ElementTree.register_namespace("", SVG[1:-1])
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _prune(root: Any) -> None:
    """Drop metadata, the global style sheet, invisible backgrounds and white space."""
    for parent in list(root.iter()):
        if parent.text and parent.tag != SVG + "text":
            parent.text = parent.text.strip()
        for child in list(parent):
            child.tail = None
            if child.tag == SVG + "metadata" or child.find(SVG + "style") is not None or _invisible(child):
                parent.remove(child)


def _invisible(element: Any) -> bool:
    return element.tag == SVG + "g" and len(element) == 1 and element[0].get("style") == "fill: none"


def _rename(root: Any, prefix: str) -> None:
    """Keep only the ids that are referred to, numbered and with the prefix."""
    text = ElementTree.tostring(root, encoding="unicode")
    used = dict.fromkeys(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    names = {old: f"{prefix}-{index}" for index, old in enumerate(used)}
    for element in root.iter():
        if (old := element.attrib.pop("id", None)) in names:
            element.set("id", names[old])
        if target := element.attrib.pop(XLINK + "href", None):
            element.set("href", f"#{names[target[1:]]}")
        if clip := element.get("clip-path"):
            element.set("clip-path", f"url(#{names[clip[5:-1]]})")


def _tidy(element: Any) -> None:
    """Round to a tenth of a point, less than a pixel, and use the page's colours and font."""
    for key in ("d", "x", "y", "width", "height"):
        if value := element.get(key):
            element.set(key, " ".join(re.sub(r"-?\d+\.\d+", _rounded, value).split()))
    if turn := element.get("transform"):
        element.set("transform", re.sub(r"-?\d+\.\d+", _rounded, turn))
        if turn.startswith("rotate(-0 "):
            del element.attrib["transform"]
    if rules := element.get("style"):
        rules = re.sub(r"font-family: [^;]*;? ?", "", rules)
        for role, colour in ROLES.items():
            rules = rules.replace(colour, f"var(--{role})")
        element.set("style", rules.replace("; ", ";").replace(": ", ":"))


def _rounded(match: re.Match[str]) -> str:
    return f"{round(float(match[0]), 1) + 0.0:g}" if abs(float(match[0])) < 1000 else match[0]


def _describe(root: Any, prefix: str, title: str, description: str) -> None:
    _, _, width, _ = root.get("viewBox").split()
    root.attrib = {
        "viewBox": root.get("viewBox"),
        "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-desc",
        "style": f"max-width:{float(width) * 4 / 3:.0f}px",
    }
    for index, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(SVG + tag, {"id": f"{prefix}-{tag}"})
        element.text = text
        root.insert(index, element)
