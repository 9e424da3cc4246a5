"""Cards and trade-offs: an order that does not depend on what was measured, and nothing that is not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fake_records import config, put
from seen_page import Seen
from unpacked import unpack
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Picture
from veilbench.bench.report.cards import MISSING, Filled, expand_line, fill_card, value
from veilbench.bench.report.leaderboard import Row, row
from veilbench.bench.report.page import render, write
from veilbench.bench.report.records import Record, read_all
from veilbench.bench.report.specs import Line
from veilbench.bench.report.tradeoff import clusters, draw, points, table
from veilbench.bench.sources import PACKAGE
from veilbench.families.templates.card import CARD, TRADEOFF
from veilbench.workflow.conf import conf_folders

CONF = conf_folders()[-1]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
ORDER = [
    "Accuracy",
    "Irreversibility",
    "Unlinkability",
    "Revocability and renewability",
    "Storage and time",
    "Diversity and key space",
]


def share(value: float, width: float = 0.05) -> Metric:
    return Metric(value, max(0.0, value - width), min(1.0, value + width), 90, "bootstrap", "share")


def line(title: str) -> Figure:
    return Figure(title, "x", "y", [Curve(title, [1, 2, 3], [0.1, 0.4, 0.9])])


def method(rank: float, sar: float | None, key_bits: int, gain: float = 0.2) -> dict[str, dict[str, Findings]]:
    scenarios = {
        f"{name}_{s}": share(v) for name, v in (("eer", 0.1), ("rank1", rank)) for s in ("own_token", "stolen_token")
    }
    scenarios["rank1_own_token"] = share(0.99)
    verification = Findings("Verification", scenarios, [line("Error rates"), line("Identification")])
    verification.notes = ["Refused with key stolen: FMR 0.001 needs more.", "Something else."]
    deployment = Findings("Deployment", {"template_bytes": Metric.exact(64), "key_bits": Metric.exact(key_bits)})
    deployment.cost = {"templates_per_second": 2_500.0, "seconds": 1.0}
    links = Findings("Linkage", {f"{m}_{k}": share(0.3) for m in ("d_sys", "auroc") for k in ("linear", "mlp")})
    links.figures = [line("Linkage by linear")]
    attribute = Findings("Attributes", {f"pattern_{s}": share(0.5) for s in ("template", "image", "guess")})
    attribute.gain = Metric(gain, gain - 0.1, gain + 0.1, 60, "bootstrap")
    attacks = {"template_linkage": links, "template_attribute": attribute}
    if sar is not None:
        name = "template_inversion_known_key" if key_bits else "template_inversion"
        inversion = Findings("Inversion", {"sar_at_0.01": share(sar), "prar_at_0.01": share(0.07)})
        inversion.metrics["judged_at_0.01_mean_image"] = share(0.1)
        inversion.pictures = [Picture("Prints back", "rows", PIXEL)]
        attacks[name] = inversion
    return {"evaluate": {"verification": verification, "deployment": deployment}, "attack": attacks}


def settings(name: str) -> dict[str, Any]:
    return config(name, family=None) | {
        "data": {"_target_": "veilbench.families.templates.data.identities.IdentitiesData"}
    }


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    made = {
        "raw": method(0.4, 1.0, 0),
        "keyed": method(0.4, 0.9, 64),
        "strong": method(0.9, 0.1, 64, gain=-0.9),
        "unattacked": {"evaluate": method(0.8, None, 64)["evaluate"]},
        "empty": {},
    }
    for name, found in made.items():
        put(tmp_path, name, found, settings(name))
    return read_all(list(made), tmp_path / "params", tmp_path / "results")


@pytest.fixture
def rows(records: list[Record]) -> list[Row]:
    return [row(record) for record in records]


def test_the_order_is_the_same_whatever_was_measured(records: list[Record], rows: list[Row]) -> None:
    shapes = set()
    for record, entry in zip(records, rows, strict=True):
        found = fill_card(CARD, record, entry)
        assert [one.section.title for one in found] == ORDER
        shapes.add(tuple(columns for one in found for columns, _ in one.tables))
        for one in found:
            for columns, cells in one.tables:
                assert all(len(cell) == len(columns) for cell in cells)
    assert len(shapes) == 1


def test_what_was_not_measured_says_so(records: list[Record], rows: list[Row]) -> None:
    empty = fill_card(CARD, records[-1], rows[-1])
    measured = {cell for one in empty for _, cells in one.tables for line in cells for cell in line[1:]}
    assert measured <= {MISSING, ""}
    accuracy = fill_card(CARD, records[1], rows[1])[0]
    assert accuracy.tables[0][1][0] == ["Equal error rate", "10.0 % [5.0, 15.0]", "10.0 % [5.0, 15.0]"]
    assert accuracy.tables[0][1][2] == ["TMR at FMR 0.1 %", MISSING, MISSING]
    assert accuracy.notes == ["Refused with key stolen: FMR 0.001 needs more."]


def test_images_to_compare_with_are_shown_for_each_inversion_that_was_judged(records: list[Record]) -> None:
    shown = [
        line[:2]
        for record in records
        for one in fill_card(CARD, record, row(record))
        for _, cells in one.tables
        for line in cells
        if "the mean image" in line[0]
    ]
    label, judged = "For comparison, the mean image: inversion", "10.0 % [5.0, 15.0]"
    keyed = [f"{label} known key", judged]
    assert shown == [[label, judged], keyed, keyed, [label, MISSING], [label, MISSING]]


def test_a_star_is_a_line_for_each_thing(rows: list[Row]) -> None:
    spec = Line("Linker: *", ("template_linkage.d_sys_*", "template_linkage.auroc_*"))
    assert [cells[0] for cells in expand_line(spec, rows[0])] == ["Linker: linear", "Linker: mlp"]
    assert expand_line(spec, rows[-1]) == [["Linker", MISSING, MISSING]]


def test_values_are_metrics_gains_rates_and_times(rows: list[Row]) -> None:
    gain = value(rows[0], "template_attribute.gain")
    assert isinstance(gain, Metric)
    assert gain.value == 0.2
    assert value(rows[0], "deployment.templates_per_second") == 2_500
    assert value(rows[0], "evaluate_seconds") == 1
    assert value(rows[0], "template_attribute.none") is None
    assert expand_line(Line("", ("deployment.templates_per_second", "evaluate_seconds")), rows[0]) == [
        ["", "2500/s", "1.0 s"]
    ]


def test_every_key_of_the_card_is_one_that_something_publishes() -> None:
    """A renamed metric would be "not measured" for ever, and nobody would know."""
    publishing = [path for path in PACKAGE.rglob("*.py") if path.parent.name in ("evaluations", "attacks")]
    code = "".join(path.read_text("utf8") for path in publishing)
    configs = {path.stem for group in ("evaluation", "attack") for path in (CONF / group).glob("*.yaml")}
    keys = {key for s in CARD.sections for block in s.blocks for spec in block.lines for key in spec.keys}
    keys |= {key for panel in TRADEOFF.panels for key in (*panel.keys, *panel.keyless)} | {TRADEOFF.utility}
    for part, _, name in (key.partition(".") for key in keys if "." in key):
        assert part.rstrip("*") in configs, part
        pieces = re.split(
            r"\*|_own_token$|_stolen_token$|_before$|_after$|_preimage$|_template$|_guess$|_image$|_by_noise$|0\.0*1",
            name,
        )
        for piece in pieces:
            assert piece.strip("_") in code, f"{part}.{name}"


def test_points_count_the_strongest_attacker(rows: list[Row]) -> None:
    found = points(TRADEOFF, rows)
    assert [(point.number, point.name) for point in found] == [
        (1, "raw"),
        (2, "keyed"),
        (3, "strong"),
        (4, "unattacked"),
    ]
    standard, scored, full, attributes = zip(*(point.leakage for point in found), strict=True)
    assert [metric and metric.value for metric in standard] == [1.0, None, None, None]
    assert [metric and metric.value for metric in scored] == [1.0, None, None, None], "raw has no key to keep secret"
    assert [metric and metric.value for metric in full] == [1.0, 0.9, 0.1, None], "without a key both models are one"
    assert [metric and metric.value for metric in attributes] == [0.2, 0.2, -0.9, None]
    solved = Findings("Stolen", {"sar_at_0.01_preimage": share(0.95)}).metrics["sar_at_0.01_preimage"]
    rows[1]["metrics"]["template_stolen_key.sar_at_0.01_preimage"] = vars(solved)
    stronger = points(TRADEOFF, rows)[1].leakage[2]
    assert stronger
    assert stronger.value == 0.95
    columns, cells = table(TRADEOFF, found)
    assert all(len(cell) == len(columns) for cell in cells)
    assert cells[3][3:] == [MISSING] * 4


def test_the_figure_is_drawn_whatever_is_missing(rows: list[Row]) -> None:
    assert draw(TRADEOFF, points(TRADEOFF, rows[:1]), "p") == "", "one method is no comparison"
    assert draw(TRADEOFF, points(TRADEOFF, rows[3:]), "p") == ""
    drawn = draw(TRADEOFF, points(TRADEOFF, rows), "p")
    assert drawn == draw(TRADEOFF, points(TRADEOFF, rows), "p")
    assert "2 keyed: rank 1, key stolen 0.40, Full disclosure 0.90, Attributes, standard model 0.20" in drawn
    nowhere = [replace(point, leakage=(*point.leakage[:3], None)) for point in points(TRADEOFF, rows)]
    assert MISSING in re.findall(r"<text[^>]*>([^<]*)", draw(TRADEOFF, nowhere, "p"))


def test_points_that_lie_together_share_a_label() -> None:
    placed = [(0.0, 0.5, 1), (1.0, 0.5, 2), (0.98, 0.52, 3), (1.0, 0.9, 4)]
    assert clusters(placed) == [(0.0, 0.5, [1]), (1.0, 0.5, [2, 3]), (1.0, 0.9, [4])]


def test_the_page_shows_every_figure_once_and_in_order(records: list[Record]) -> None:
    text = unpack(render(records[1:2]))
    places = [text.index(f"{number}. {title}") for number, title in enumerate(ORDER, 1)]
    assert places == sorted(places)
    for title in ("Error rates", "Identification", "Linkage by linear"):
        assert text.count(f"{title}</figcaption>") == 1
    assert places[0] < text.index("Error rates</figcaption>") < places[1] < text.index("Linkage by linear</figcaption>")
    assert text.count("data-picture=") == 1
    assert "Recognition against leakage" not in text, "there is one method only"
    assert unpack(render(records[-1:])).count("Card of the method") == 0


def test_cards_in_a_browser(browser: Any, shots: Path | None, tmp_path: Path, records: list[Record]) -> None:
    write(records, tmp_path)
    for name, context in {
        "cards": {"viewport": {"width": 1280, "height": 900}},
        "cards_phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
        "cards_dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    }.items():
        seen = Seen(browser, tmp_path / "index.html", shots, **context)
        seen.page.evaluate("document.querySelectorAll('.experiment').forEach(d => (d.open = true))")
        assert seen.width() == context["viewport"]["width"]
        seen.page.locator("#keyed .card").last.wait_for()
        assert seen.page.locator("#keyed .card:visible").count() == len(ORDER)
        assert seen.page.get_by_role("heading", name="Recognition against leakage").is_visible()
        assert seen.complaints == []
        assert [url for url in seen.requests if not url.startswith("data:")] == [(tmp_path / "index.html").as_uri()]
        seen.shot(name)


def test_pictures_of_several_attacks_say_whose_they_are() -> None:
    one, other = (Findings("Inversion", {}, pictures=[Picture("Prints back", "rows", PIXEL)]) for _ in range(2))
    parts = [("attack", "template_inversion", one), ("attack", "template_inversion_by_scores", other)]
    together, alone = (Filled(CARD.sections[1], [], [], shown).pictures for shown in (parts, parts[:1]))
    assert [picture.title for picture in together] == [
        "Template inversion: Prints back",
        "Template inversion by scores: Prints back",
    ]
    assert [picture.title for picture in alone] == ["Prints back"]
