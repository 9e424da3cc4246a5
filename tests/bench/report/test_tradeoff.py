"""The trade-off: what is drawn where, as its axes hold it, and which points share a label."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import pytest

from veilbench.bench.findings import Metric
from veilbench.bench.report import tradeoff as module
from veilbench.bench.report.cards import MISSING
from veilbench.bench.report.specs import Panel, Tradeoff
from veilbench.bench.report.svg import ROLES
from veilbench.bench.report.tradeoff import Point, clusters, draw, points, table

SPEC = Tradeoff("title", "", "u", "utility", (Panel("one", "gain", ("a",)), Panel("two", "gain", ("b",))), "bits")


def metric(value: float, low: float, high: float) -> Metric:
    return Metric(value, low, high, 9, "x")


POINTS = [
    Point(1, "first", metric(0.9, 0.8, 0.95), (metric(0.2, 0.1, 0.35), None)),
    Point(2, "second", metric(0.5, 0.4, 0.7), (metric(-0.9, -0.95, 0.1), None)),
    Point(7, "third", metric(0.1, 0.0, 0.3), (metric(0.75, 0.7, 0.8), None)),
]


def row(name: str, gains: dict[str, float], **values: float) -> dict[str, Any]:
    """A row of the leaderboard with these exact metrics and attacks' gains."""
    metrics = {key: asdict(Metric.exact(number)) for key, number in values.items()}
    attacks = {key: {"gain": asdict(Metric.exact(number))} for key, number in gains.items()}
    return {"name": name, "metrics": metrics, "attacks": attacks, "cost": {"rates": {}}}


def test_a_method_is_numbered_among_those_measured_and_stands_at_its_strongest_attacker() -> None:
    panel = Panel("one", "gain", ("weak.gain", "strong.gain", "never.gain"), keyless=("bare.gain", "strong.gain"))
    spec = replace(SPEC, panels=(panel, Panel("two", "gain", ("never.gain",))))
    gains = {"weak": 0.1, "strong": 0.3, "bare": 0.9}
    found = points(
        spec,
        [
            row("with a key", gains, u=0.5, bits=64),
            row("not measured", gains, bits=64),
            row("without a key", gains, u=0.7, bits=0),
            row("of unknown key", gains, u=0.2),
            row("not attacked", {}, u=0.4, bits=64),
        ],
    )
    seen = [(one.number, one.name, one.utility.value, *(leak and leak.value for leak in one.leakage)) for one in found]
    assert seen == [
        (1, "with a key", 0.5, 0.3, None),
        (2, "without a key", 0.7, 0.9, None),
        (3, "of unknown key", 0.2, 0.3, None),
        (4, "not attacked", 0.4, None, None),
    ]


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draws points and returns the axes."""

    def drawn(points: list[Point]) -> Any:
        seen: list[Any] = []
        monkeypatch.setattr(module, "inline", lambda canvas, *rest: seen.append(canvas))
        draw(SPEC, points, "p")
        return seen[0].axes

    return drawn


def test_a_point_stands_at_its_values_with_an_interval_along_each_axis(panels: Any) -> None:
    axes = panels(POINTS)[0]
    left = axes.get_xlim()[0]
    assert -0.7 < left < -0.5, "what is far below chance stands at the end, at -0.5"
    assert [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines] == [(0.2, 0.9), (-0.5, 0.5), (0.75, 0.1)]
    assert [line.get_color() for line in axes.lines] == [ROLES["c1"], ROLES["c2"], ROLES["c1"]], "six colours"
    spans = [segment.tolist() for lines in axes.collections for segment in lines.get_segments()]
    assert spans == [
        [[0.1, 0.9], [0.35, 0.9]], [[0.2, 0.8], [0.2, 0.95]],
        [[left, 0.5], [0.1, 0.5]], [[-0.5, 0.4], [-0.5, 0.7]],
        [[0.7, 0.1], [0.8, 0.1]], [[0.75, 0.0], [0.75, 0.3]],
    ]  # fmt: skip


def test_labels_stand_beside_their_points_towards_the_middle(panels: Any) -> None:
    labels = [
        (text.get_text(), text.xy, text.get_horizontalalignment(), text.xyann[0] > 0)
        for text in panels(POINTS)[0].texts
    ]
    assert labels == [
        ("1", (0.2, 0.9), "left", True),
        ("2", (-0.5, 0.5), "left", True),
        ("7", (0.75, 0.1), "right", False),
    ]


def test_a_panel_without_a_measurement_says_so_in_its_middle(panels: Any) -> None:
    axes = panels(POINTS)[1]
    assert [(text.get_text(), text.get_position()) for text in axes.texts] == [(MISSING, (0.5, 0.5))]
    left, right = axes.get_xlim()
    assert -0.2 < left < 0 < 1 < right < 1.2


def test_the_axes_hold_zero_to_one(panels: Any) -> None:
    above = [Point(n, "x", metric(1.0, 1.0, 1.0), (metric(0.5, 0.5, 0.5), None)) for n in (1, 2)]
    for axes in panels(above):
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert -0.2 < left < 0 < 1 < right < 1.2
        assert -0.2 < bottom < 0 < 1 < top < 1.2
    first, second = panels(above)
    assert (first.get_ylabel(), second.get_ylabel()) == ("utility", ""), "the axis is named once"
    assert first.get_yticks().tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("one", "two")


def test_panels_stand_side_by_side_with_room_for_words_around_them(panels: Any) -> None:
    axes = panels(POINTS)
    width, height = axes[0].figure.get_size_inches()
    boxes = [one.get_position() for one in axes]
    for left, right in pairwise(boxes):
        assert left.x1 < right.x0
        assert left.width == pytest.approx(right.width)
    for box in boxes:
        assert box.y0 * height > 0.4, "ticks and a label below"
        assert (1 - box.y1) * height > 0.2, "a title above"
    assert boxes[0].x0 * width > 0.4
    assert boxes[-1].x1 <= 1


def test_nothing_is_drawn_of_one_point_or_without_a_leak() -> None:
    unknown = [Point(n, "x", metric(0.5, 0.4, 0.6), (None, None)) for n in (1, 2)]
    assert draw(SPEC, unknown, "p") == draw(SPEC, POINTS[:1], "p") == ""
    assert draw(SPEC, POINTS[:2], "p").startswith("<svg")


@pytest.mark.parametrize(
    ("other", "together"),
    [((0.62, 0.5), True), ((0.64, 0.5), False), ((0.5, 0.55), True), ((0.5, 0.57), False), ((0.38, 0.45), True)],
)
def test_a_label_is_shared_within_its_width_and_height(other: tuple[float, float], together: bool) -> None:
    found = clusters([(0.5, 0.5, 1), (*other, 2)])
    assert found == ([(0.5, 0.5, [1, 2])] if together else [(0.5, 0.5, [1]), (*other, [2])])


def test_the_same_as_words() -> None:
    columns, cells = table(SPEC, POINTS[:1])
    assert columns == ["", "Method", "utility", "one: gain", "two: gain"]
    assert cells == [["1", "first", "0.90 [0.80, 0.95]", "0.20 [0.10, 0.35]", MISSING]]
    assert "1 first: utility 0.90, one 0.20; 2 second" in draw(SPEC, POINTS, "p")
