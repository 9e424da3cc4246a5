"""The overview: what is drawn where, as its axes hold it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from veilbench.bench.report import overview as module
from veilbench.bench.report.overview import LOOKS, attack_names, overview
from veilbench.bench.report.svg import ROLES
from veilbench.bench.verdict import Verdict

Rows = list[dict[str, Any]]


def attack(value: float, low: float, high: float, verdict: str | None) -> dict[str, Any]:
    return {"gain": {"value": value, "low": low, "high": high}, "verdict": verdict}


def unjudged() -> dict[str, Any]:
    return {"gain": None, "verdict": None}


@pytest.fixture
def rows() -> Rows:
    one = {"x_p": attack(0.5, 0.25, 1.0, Verdict.BROKEN), "x_q": attack(1.4, 1.05, 1.9, None)}
    two = {"x_q": attack(-0.3, -0.9, 0.1, Verdict.HOLDS), "x_r": unjudged()}
    return [{"name": "one", "attacks": one}, {"name": "two", "attacks": two}, {"name": "three", "attacks": {}}]


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draws rows and returns the axes."""

    def drawn(rows: Rows) -> Any:
        seen: list[Any] = []
        monkeypatch.setattr(module, "inline", lambda canvas, *rest: seen.append(canvas))
        overview(rows)
        return seen[0].axes

    return drawn


def marks(axes: Any) -> list[tuple[float, float, str, str, str]]:
    found = [line for line in axes.lines if line.get_marker() not in ("None", "", None)]
    return [
        (*line.get_xdata(), *line.get_ydata(), line.get_marker(), line.get_color(), line.get_markerfacecolor())
        for line in found
    ]


def spans(axes: Any) -> list[tuple[float, float, float]]:
    """From where to where and at which height: the intervals, which are after the lines of the grid."""
    found = [segment for lines in axes.collections[1:] for segment in lines.get_segments()]
    return [(float(a[0]), float(b[0]), float(a[1])) for a, b in found]


def test_a_mark_stands_at_its_gain_and_the_interval_around_it(panels: Any, rows: Rows) -> None:
    p, q, r = panels(rows)
    broken = ROLES["broken"]
    assert marks(p) == [(0.5, 0, "o", broken, broken)]
    assert spans(p) == [(0.25, 1.0, 0)]
    left, right = q.get_xlim()
    assert [mark[:2] for mark in marks(q)] == [(right, 0), (-0.3, 1)], "what is beyond stands at the end"
    assert spans(q) == [(1.05, right, 0), (left, 0.1, 1)]
    assert marks(q)[0][2:4] == (LOOKS[Verdict.INCONCLUSIVE][1], ROLES["inconclusive"]), "no verdict"
    assert marks(q)[1][2:] == ("o", ROLES["holds"], ROLES["bg"])
    assert marks(r) == spans(r) == []


def test_all_panels_have_one_scale_that_holds_every_gain(panels: Any, rows: Rows) -> None:
    drawn = panels(rows)
    assert len({axes.get_xlim() for axes in drawn}) == 1
    left, right = drawn[0].get_xlim()
    assert -0.6 < left < -0.3
    assert 1 < right < 1.3
    assert {axes.get_ylim() for axes in drawn} == {(2.5, -0.5)}, "the first row is the highest, each has the same room"
    assert drawn[0].get_yticks().tolist() == [0, 1, 2]
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["one", "two", "three"]
    later = [label.get_text() for axes in drawn[1:] for label in axes.get_yticklabels()]
    assert not any(later), "names stand once"
    far = panels([{"name": "one", "attacks": {"p": attack(-7.0, -9.0, 1.0, Verdict.HOLDS)}}])[0]
    assert (far.get_xlim()[0], marks(far)[0][0]) == (-1, -1)
    near = panels([{"name": "one", "attacks": {"p": attack(0.7, 0.6, 0.8, Verdict.HOLDS)}}])[0]
    assert -0.2 < near.get_xlim()[0] < 0


def test_what_was_not_run_says_so_at_its_place(panels: Any, rows: Rows) -> None:
    expected = (
        [(1, "not run"), (2, "not run")],
        [(2, "not run")],
        [(0, "not run"), (1, "not applicable"), (2, "not run")],
    )
    for axes, texts in zip(panels(rows), expected, strict=True):
        assert [(text.get_position(), text.get_text()) for text in axes.texts] == [
            ((0.5, y), said) for y, said in texts
        ]


def test_panels_stand_side_by_side_within_the_drawing(panels: Any, rows: Rows) -> None:
    boxes = [axes.get_position() for axes in panels(rows)]
    for left, right in pairwise(boxes):
        assert left.x1 < right.x0
        assert (left.y0, left.y1) == (right.y0, right.y1)
        assert left.width == pytest.approx(right.width)
    assert 0 < boxes[0].x0 < boxes[-1].x1 < 1
    assert 0 < boxes[0].y0 < boxes[0].y1 < 1


def test_the_same_in_words(rows: Rows) -> None:
    said = overview(rows)
    assert "one: x p 0.50 (broken), x q 1.40 (no verdict); two: x q -0.30 (holds" in said
    assert "x r (no verdict); three: not attacked" in said
    assert attack_names(rows) == ["x_p", "x_q", "x_r"]
