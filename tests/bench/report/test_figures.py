from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from made_bench import Bench

from fake_records import advantage, figure, training
from veilbench.bench.findings import Curve, Figure, Metric
from veilbench.bench.report import numbers
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


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric(0.992, 0.985, 0.996, 20, "bootstrap, 95 %"), "0.992 [0.985, 0.996]"),
        (Metric(1.0, 0.988, 1.0, 20, "bootstrap, 95 %"), "1.000 [0.988, 1.000]"),
        (Metric(-0.004, -0.0161, 0.012, 20, "bootstrap, 95 %"), "−0.004 [−0.016, 0.012]"),
        (Metric(1.0, 0.99982, 1.0, 20_000, "Clopper-Pearson 95 %", "share"), "100.00 % [99.98, 100.00]"),
        (Metric(0.99996, 0.9998, 1.0, 20_000, "Clopper-Pearson 95 %", "share"), "99.996 % [99.980, 100.000]"),
        (Metric(0.0, 0.0, 0.0013, 2912, "Clopper-Pearson 95 %", "share"), "0.00 % [0.00, 0.13]"),
        (Metric(0.5, 0.4, 0.6, 91, "Clopper-Pearson 95 %", "share"), "50.0 % [40.0, 60.0]"),
        (Metric.exact(10_000), "10\u202f000"),
        (Metric.exact(0.011111642), "0.01111"),
    ],
)
def test_numbers(metric: Metric, text: str) -> None:
    assert numbers.with_interval(metric) == text


def test_rates_and_times() -> None:
    assert [numbers.compact(x) for x in (0, 0.25, 100, 5000, 12_345, 2.2e7, -3e9)] == [
        "0", "0.25", "100", "5000", "12.3 k", "22 M", "−3 G",
    ]  # fmt: skip
    assert [numbers.seconds(x) for x in (0.01, 2.36, 150, 7200)] == ["< 0.1 s", "2.4 s", "2.5 min", "2.0 h"]
