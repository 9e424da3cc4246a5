from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from made_bench import Bench

from fake_records import advantage, figure, training
from veilbench.bench.findings import Curve, Figure
from veilbench.bench.report import figures
from veilbench.bench.report.figures import choose_looks, draw
from veilbench.bench.report.overview import overview, titles
from veilbench.bench.report.svg import ROLES

SVG = "{http://www.w3.org/2000/svg}"
CURVE = Curve("loss", [1, 2, 3], [0.5, 0.2, 0.1])
ODD = [
    Figure("one curve", "x", "loss", [CURVE]),
    Figure("no curve", "x", "y", []),
    Figure("no points", "x", "y", [Curve("empty", [], [])]),
    Figure("zero on log axes", "x", "y", [Curve("a", [0, 1, 10], [0.0, 0.1, 1.0])], log_x=True, log_y=True),
    Figure("one value", "x", "y", [Curve("a", [5], [0.2])], log_y=True),
    Figure("dollars $x_1$ & <b>", "$n$ <i>", "a & b", [Curve("<script>$", [1, 2], [1, 2]), CURVE]),
    Figure("many", "x", "y", [Curve(f"curve {i}", [1, 2], [i, i], [i, i], [9, 9]) for i in range(9)]),
    Figure("negative and large", "x", "y", [Curve("a", [-2e9, 0, 2e9], [-1e7, 0, 1e7])]),
    Figure("no curve on log axes", "x", "y", [], log_x=True, log_y=True),
    Figure("no points on log axes", "x", "y", [Curve("empty", [], [])], log_x=True, log_y=True),
]
GOOD = [figure("Recovery", "characters", 0.7), advantage(0.3), *training(400).figures]


def parse(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in parse(drawn).iter(SVG + "text")]


@pytest.mark.parametrize("shown", [*ODD, *GOOD], ids=lambda f: f.title)
def test_valid_and_self_contained(shown: Figure) -> None:
    drawn = draw(shown, "p")
    root = parse(drawn)
    assert root.tag == SVG + "svg"
    assert root.find(SVG + "title").text == shown.title  # type: ignore[union-attr]
    assert root.find(SVG + "desc").text.startswith(shown.y_label)  # type: ignore[union-attr]
    assert re.findall(r"https?://[^\"]+", drawn) == ["http://www.w3.org/2000/svg"]
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(name.startswith("p-") for name in ids)
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', drawn)) <= set(ids)
    assert len(drawn) < 30_000


@pytest.mark.parametrize("shown", GOOD, ids=lambda f: f.title)
def test_colours_come_from_the_page(shown: Figure) -> None:
    drawn = draw(shown, "p")
    assert not re.findall(r"#[0-9a-f]{6}\b", drawn)
    assert set(re.findall(r"var\(--(\w+)\)", drawn)) <= set(ROLES)
    assert "font-family" not in drawn


def test_same_bytes_whatever_the_users_settings() -> None:
    import matplotlib

    first = draw(GOOD[0], "p")
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.grid": True, "font.size": 30}):
        assert draw(GOOD[0], "p") == first
    other = draw(GOOD[0], "q")
    assert other != first
    assert re.sub(r'(["# ])q-', r"\1p-", other) == first


def test_labels_are_text_as_given() -> None:
    labels = texts(draw(ODD[5], "p"))
    assert {"$n$ <i>", "a & b", "<script>$", "loss"} <= set(labels)


def test_log_axes() -> None:
    labels = texts(draw(GOOD[0], "p"))
    assert {"100", "300", "1000", "3000", "10 k"} <= set(labels)


def test_legend_keeps_the_order_of_the_curves() -> None:
    few = Curve("few", [1, 10], [0.1, 0.2], [0.0, 0.1], [0.2, 0.3])
    shown = Figure("t", "x", "y", [few, Curve("a line", [1, 10], [0.5, 0.6])])
    assert [label for label in texts(draw(shown, "p")) if label in ("few", "a line")] == ["few", "a line"]


def test_controls_are_dashed_and_curves_differ() -> None:
    shown = GOOD[0]
    found = choose_looks(shown)
    assert [look["linestyle"] == "-" for look in found] == [True, False, False]
    assert len({(look["color"], str(look["linestyle"]), look["marker"]) for look in found}) == 3
    assert draw(shown, "p").count("stroke-dasharray") >= 2
    assert "stroke-dasharray" not in draw(ODD[0], "p")


def test_bands_where_there_are_intervals() -> None:
    plain = Figure("t", "x", "y", [Curve(c.name, c.x, c.y) for c in GOOD[0].curves], log_x=True)
    assert draw(GOOD[0], "p").count("fill-opacity:0.18") == 3
    assert "fill-opacity:0.18" not in draw(plain, "p")


def test_a_long_label_is_broken_into_lines_that_fit() -> None:
    label = "share of words named less share of others"
    shown = Figure("t", "rounds", label, [Curve("first", [1, 2], [0, 1]), Curve("second", [1, 2], [1, 0])])
    drawn = texts(draw(shown, "p"))
    assert label not in drawn
    assert " ".join(part for part in drawn if part and part in label and not part.isdigit()) == label


def test_overview(made: Bench) -> None:
    rows = made.rows()
    drawn = overview(rows)
    labels = texts(drawn)
    assert set(made.names) <= set(labels)
    assert {"frequency", "known plaintext", "key sensitivity"} <= set(labels), "what fits into a line stays in one"
    assert labels.count("not run") == 5
    assert {"var(--broken)", "var(--leaks)", "var(--holds)", "var(--inconclusive)"} <= set(
        re.findall(r"var\(--\w+\)", drawn)
    )
    assert overview(rows) == drawn
    assert overview([row for row in rows if not row["attacks"]]) == ""


def test_a_family_s_word_is_not_repeated_in_every_title() -> None:
    assert titles(["mail_poison", "mail_word_leak"]) == {"mail_poison": "poison", "mail_word_leak": "word leak"}
    assert titles(["mail_poison"]) == {"mail_poison": "mail poison"}
    assert titles(["key_search", "known_plaintext"]) == {
        "key_search": "key search",
        "known_plaintext": "known plaintext",
    }


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draws a figure and returns its axes."""

    def drawn(shown: Figure) -> Any:
        seen: list[Any] = []
        monkeypatch.setattr(figures, "inline", lambda canvas, *rest: seen.append(canvas))
        draw(shown, "p")
        return seen[0].axes[0]

    return drawn


@pytest.mark.parametrize(
    ("values", "whole"),
    [([0.0, 0.3], True), ([0.5, 1.0], True), ([0.1, 0.2], False), ([0.0, 0.25], False), ([-0.1, 0.9], False),
     ([0.5, 1.1], False)],
)  # fmt: skip
def test_shares_that_are_not_small_stand_between_zero_and_one(axes: Any, values: list[float], whole: bool) -> None:
    low, high = axes(Figure("t", "x", "y", [Curve("a", [1, 2], values)])).get_ylim()
    assert (low < 0 and 1 < high < 1.2 and low > -0.2) == whole
    assert low < min(values) <= max(values) < high
    low, high = axes(Figure("t", "x", "y", [Curve("a", [1, 2], values)], points=True)).get_ylim()
    assert high - low < 1.2 * (max(values) - min(values)) + 1e-9, "points fill their axes"


def test_curves_of_one_point_are_lines_of_text_and_points_are_not(axes: Any) -> None:
    curves = [Curve("first", [5], [0.2], [0.1], [0.4]), Curve("second", [5], [0.3])]
    shown = axes(Figure("t", "the x", "the y", curves))
    assert shown.get_xlabel() == "the y"
    assert [label.get_text() for label in shown.get_yticklabels()] == ["first", "second"]
    assert shown.get_ylim() == (1.5, -0.5), "from above, each in the middle of its line"
    marks = [(*line.get_xdata(), *line.get_ydata()) for line in shown.lines if line.get_marker() == "o"]
    assert marks == [(0.2, 0), (0.3, 1)]
    ends = [segment.tolist() for lines in shown.collections for segment in lines.get_segments()]
    assert ends == [[[0.1, 0], [0.4, 0]], [[0.3, 1], [0.3, 1]]]
    for other in (Figure("t", "the x", "the y", curves, points=True), Figure("t", "the x", "the y", [CURVE, *curves])):
        assert (axes(other).get_xlabel(), axes(other).get_ylabel()) == ("the x", "the y")


@pytest.mark.parametrize(("points", "bars"), [(3, True), (4, False)])
def test_intervals_of_few_points_are_bars_and_of_more_a_band(axes: Any, points: int, bars: bool) -> None:
    x = [float(place) for place in range(points)]
    shown = axes(Figure("t", "x", "y", [Curve("a", x, [0.5] * points, [0.4] * points, [0.8] * points)]))
    assert bool(shown.containers) == bars
    if bars:
        segments = shown.containers[0].lines[2][0].get_segments()
        assert [segment.tolist() for segment in segments] == [[[place, 0.4], [place, 0.8]] for place in x]
    else:
        assert set(shown.collections[0].get_paths()[0].vertices[:, 1]) == {0.4, 0.8}


@pytest.mark.parametrize(
    ("x", "own"),
    [([1, 2, 4], True), ([1, 1.9, 4], False), ([1, 4, 16, 64, 256, 1024], True), ([0, 30], False),
     ([1, 4, 16, 64, 256, 1024, 4096], False), ([3, 300], True)],
)  # fmt: skip
def test_few_values_far_apart_are_the_ticks_of_a_logarithmic_axis(axes: Any, x: list[float], own: bool) -> None:
    shown = axes(Figure("t", "x", "y", [Curve("a", x, [float(place) for place in range(len(x))])], log_x=True))
    assert (shown.get_xticks().tolist() == x) == own


@pytest.mark.parametrize(("y", "scale"), [([1, 10], "linear"), ([1, 10.5], "log"), ([0, 5], "symlog")])
def test_an_axis_over_less_than_a_power_of_ten_is_linear(axes: Any, y: list[float], scale: str) -> None:
    assert axes(Figure("t", "x", "y", [Curve("a", [1, 2], y)], log_y=True)).get_yscale() == scale


def test_controls_and_ours_are_counted_apart_and_long_curves_have_no_markers() -> None:
    names = ["a", "control", "b", "other"]
    curves = [Curve(name, list(range(n)), [0.0] * n) for name, n in zip(names, (30, 3, 31, 3), strict=True)]
    found = choose_looks(Figure("t", "x", "y", curves, control_curves=["control", "other"]))
    assert [look["marker"] for look in found] == ["o", "o", "", "s"]
    assert [look["hollow"] for look in found] == [False, True, False, True]
    assert [look["color"] for look in found] == [ROLES[role] for role in ("c1", "muted", "c2", "muted")]
    assert found[1]["linestyle"] != found[3]["linestyle"]
    assert {look["linestyle"] for look in choose_looks(Figure("t", "x", "y", curves, points=True))} == {""}
    many = choose_looks(Figure("t", "x", "y", [Curve(str(n), [1], [1]) for n in range(7)]))
    assert [look["color"] for look in many] == [ROLES[f"c{n}"] for n in (1, 2, 3, 4, 5, 6, 1)]
    assert all(ours["zorder"] > theirs["zorder"] for ours, theirs in zip(found[::2], found[1::2], strict=True))


def test_words_name_both_ends_of_each_curve() -> None:
    curves = [Curve("a", [1, 2, 3], [0.5, 0.2, 0.12345]), Curve("b", [4], [2]), Curve("c", [], [])]
    said = figures.describe(Figure("t", "x", "y", curves, control_curves=["b"]))
    assert said == "y against x. a: 0.5 at 1, then 0.123 at 3; b: 2 at 4; c: no points. Controls: b."
    assert figures.describe(Figure("t", "x", "y", [])) == "y against x. no curves."


@pytest.mark.parametrize("shown", GOOD, ids=lambda f: f.title)
def test_nothing_invisible_is_left(shown: Figure) -> None:
    drawn = draw(shown, "p")
    assert 'style="fill:none"' not in drawn
    assert "metadata" not in drawn
    assert not re.search(r">\s+<", drawn), "no blanks between elements"


def test_places_are_rounded_to_a_tenth_of_a_point_and_colours_have_names() -> None:
    drawn = draw(GOOD[0], "p")
    assert re.search(r' d="[^"]*\d\.\d\b', drawn)
    assert not re.search(r' (?:d|x|y|width|height|transform)="[^"]*\d\.\d{2}', drawn)
    width = float(re.search(r'viewBox="0 0 ([\d.]+) ', drawn)[1])  # type: ignore[index]
    assert f"max-width:{width * 4 / 3:.0f}px" in drawn, "points of 1/72 inch as pixels of 1/96"
