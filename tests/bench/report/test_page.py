from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_bench import Bench

from fake_records import config, evaluation, put, training
from seen_page import Seen
from unpacked import unpack
from veilbench.bench.findings import Control, Findings, Metric
from veilbench.bench.report import page
from veilbench.bench.report.page import render
from veilbench.bench.report.records import read_all

VOID = {"meta", "link", "br", "input", "img", "hr"}


class Balance(HTMLParser):
    """Collects ids, links, and tags that are closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in VOID else [tag]
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.targets += [value[1:] for key, value in attrs if key == "href" and value and value[0] == "#"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_well_formed(report: Path) -> None:
    page = Balance()
    page.feed(unpack(report.read_text("utf8")))
    assert (page.open, page.wrong) == ([], [])
    assert len(page.ids) == len(set(page.ids))
    assert set(page.targets) <= set(page.ids)


def test_same_bytes_for_the_same_records(made: Bench, report: Path) -> None:
    assert render(made.records()) == report.read_text("utf8")


def test_nothing_is_loaded(report: Path) -> None:
    text = unpack(report.read_text("utf8"))
    assert set(re.findall(r"https?://[^\"'\s<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|src=|url\((?!#)", text)


def test_a_row_costs_little(made_once: Bench, report: Path) -> None:
    """Details, figures and pictures are packed: a row adds its verdict, its commands and what is compressed."""
    records = made_once.records()
    assert len(report.read_text("utf8")) - len(render(records[:1])) < 20_000 * (len(records) - 1)


def test_a_page_of_many_experiments_has_all_numbers_and_no_figures_of_each(
    made_once: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = made_once.records()
    words = f"more than {len(records) - 1} experiments"
    few = render(records)
    assert words not in few
    monkeypatch.setattr(page, "MOST_DRAWN", len(records) - 1)
    many = render(records)
    assert words in many
    drawn, left = unpack(few), unpack(many)
    assert drawn.count("<figure") > 4 * left.count("<figure") >= 0
    assert drawn.count("<td") == left.count("<td")
    for record in records:
        assert f'id="{record.name}"' in left


def test_says_what_it_must(report: Path) -> None:
    text = unpack(report.read_text("utf8"))
    for words in (
        "Neural encryption is not cryptography",
        "holds at this budget",
        "not attacked",
        "No attack was run",
        "dvc repro evaluate@aes_ctr attack@aes_ctr",
        "veilbench run experiment=aes_ctr",
        "0.440 [0.428, 0.452]",
        "100.00 %",
        "encryption queries",
        "<strong>failed</strong>",
        "code_bits: 32",
    ):
        assert words in text, words
    assert not re.search(r"\b(secure|private)\b", text, re.IGNORECASE)


def test_hostile_text_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    control = Control("positive", evil, Metric.exact(1.0), True)
    found = Findings(evil, {evil: Metric.exact(1)}, notes=[evil], controls=[control], threat={evil: True})
    settings = config("x") | {"comment": f"</pre>{evil}"}
    put(tmp_path, "x", {"train": {"training": training()}, "attack": {"a": found}}, settings)
    text = render(read_all(["x"], tmp_path / "params", tmp_path / "results"))
    text = unpack(text)
    assert evil not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    assert text.count("<script") == 2, "the pictures and the page's own"


def test_without_any_attack(tmp_path: Path) -> None:
    put(tmp_path, "x", {"evaluate": evaluation(2.0)})
    text = render(read_all(["x"], tmp_path / "params", tmp_path / "results"))
    assert "none yet" in text
    assert "Gain of every attack" not in text


def test_what_does_not_apply_is_said_with_its_reason(tmp_path: Path) -> None:
    found = {
        "evaluate": {"probe": Findings.not_applicable("Probe", "it has no code")},
        "attack": {"a": Findings.not_applicable("Inversion", "it has no weights", ["known_pairs"])},
    }
    put(tmp_path, "x", found)
    text = unpack(render(read_all(["x"], tmp_path / "params", tmp_path / "results")))
    assert "by construction: it has no code." in text
    assert "not applicable by construction: it has no weights." in text
    assert "known pairs" in text


def test_without_any_result(tmp_path: Path) -> None:
    put(tmp_path, "x", {})
    assert "not attacked" in render(read_all(["x"], tmp_path / "params", tmp_path / "results"))


def test_browser_is_quiet_and_offline(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots, viewport={"width": 1280, "height": 900})
    seen.shot("desktop")
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [report.as_uri()]


def test_browser_sorts_numbers_both_ways(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots, viewport={"width": 1280, "height": 900})
    head = seen.page.get_by_role("columnheader", name="Bytes per character")
    index = int(head.evaluate("cell => cell.cellIndex"))
    before = [float(key) for key in seen.column(index)]
    assert before not in (sorted(before), sorted(before, reverse=True))
    assert sorted(before) != [float(key) for key in sorted(seen.column(index))], "12 must not sort before 4"
    head.get_by_role("button").click()
    assert [float(key) for key in seen.column(index)] == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert [float(key) for key in seen.column(index)] == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    assert seen.page.locator("[aria-sort=descending], [aria-sort=ascending]").count() == 1


def test_browser_puts_missing_values_last(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots)
    head = seen.page.get_by_role("columnheader", name="Frequency")
    index = int(head.evaluate("cell => cell.cellIndex"))
    for _ in range(2):
        head.get_by_role("button").click()
        assert seen.column(index)[-1] == ""
        assert "" not in seen.column(index)[:-1]


def test_browser_filters_by_verdict(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots)
    seen.page.get_by_label("Verdict").select_option("broken")
    assert seen.page.locator(".board tbody tr:visible th").all_inner_texts() == [
        "plaintext",
        "cipher_small",
        "cipher_ensemble",
    ]
    assert seen.page.locator("output").inner_text() == "3 of 6 experiments"
    seen.page.get_by_label("Verdict").select_option("")
    assert seen.page.locator(".board tbody tr:visible").count() == 6


def test_browser_filters_by_name(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots)
    seen.page.get_by_label("Name contains").fill("CIPHER_")
    assert seen.page.locator(".board tbody tr:visible th").all_inner_texts() == [
        "cipher_small",
        "cipher_ensemble",
        "cipher_joint",
    ]
    seen.page.get_by_label("Verdict").select_option("not attacked")
    assert seen.page.locator("output").inner_text() == "1 of 6 experiments"
    seen.page.get_by_label("Name contains").press("Enter")
    assert seen.page.get_by_label("Name contains").input_value() == "CIPHER_"


def test_browser_opens_the_experiment_that_is_followed(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots, viewport={"width": 1280, "height": 900})
    body = seen.page.locator("#cipher_small")
    assert not body.is_visible()
    seen.page.get_by_role("link", name="cipher_small", exact=True).click()
    body.wait_for(state="visible")
    seen.shot("desktop_open")


def test_browser_on_a_phone(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots, viewport={"width": 390, "height": 844}, has_touch=True)
    assert seen.width() == 390
    seen.shot("phone")
    seen.page.evaluate("document.querySelectorAll('details').forEach(d => (d.open = true))")
    assert seen.width() == 390
    box = seen.page.locator(".scroll:has(.board)").first
    assert box.evaluate("e => e.scrollWidth > e.clientWidth")
    place = "document.querySelector('.board tbody th').getBoundingClientRect().left"
    left = seen.page.evaluate(place)
    box.evaluate("e => (e.scrollLeft = 400)")
    assert seen.page.evaluate(place) == left
    seen.shot("phone_open")


def test_browser_in_the_dark(browser: Any, report: Path, shots: Path | None) -> None:
    light = Seen(browser, report, shots, color_scheme="light")
    dark = Seen(browser, report, shots, viewport={"width": 1280, "height": 900}, color_scheme="dark")
    assert light.background() != dark.background()
    dark.shot("dark")
    dark.page.emulate_media(media="print")
    assert dark.background() == light.background()


def test_browser_without_javascript(browser: Any, report: Path, shots: Path | None) -> None:
    seen = Seen(browser, report, shots, java_script_enabled=False)
    assert seen.page.locator(".board tbody tr:visible").count() == 6
    assert not seen.page.locator(".filter").is_visible()
    seen.page.locator("summary", has_text="cipher_small").first.click()
    assert seen.page.locator("#cipher_small").is_visible()
    assert seen.page.locator("#cipher_small").get_by_text("the gain is at least").first.is_visible()
    assert not seen.page.locator(".compare").is_visible()
