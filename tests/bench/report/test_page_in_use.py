"""What one does with the page in a browser: explain a verdict, find a number's command, export, compare."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from made_bench import Bench

from seen_page import Seen
from veilbench.bench.report.page import write

DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture
def seen(browser: Any, report: Path, shots: Path | None) -> Seen:
    return Seen(browser, report, shots, viewport=DESKTOP)


def test_a_verdict_explains_itself_where_it_is_printed(seen: Seen, made_once: Bench) -> None:
    row = seen.page.locator(".board tr", has=seen.page.get_by_role("link", name="aes_ctr", exact=True))
    row.locator("a.badge").press("Enter")
    said = seen.page.get_by_role("dialog").inner_text()
    assert "worst of 5 attacks: fresh eve" in said
    assert "plain substitution, failed: it must be broken, but the gain may be as low as 0.39" in said
    assert "Nothing was decided" in said, "the meaning of the word"
    seen.page.keyboard.press("Escape")
    assert not seen.page.get_by_role("dialog").is_visible()
    row.locator("a.gain").first.click()
    reason = made_once.rows()[3]["attacks"]["frequency"]["reason"]
    said = seen.page.get_by_role("dialog").inner_text()
    assert reason.capitalize() in said
    assert "Frequency" in said
    seen.shot("verdict")
    seen.page.get_by_role("dialog").get_by_role("link", name="The controls").click()
    seen.page.locator(".found").wait_for(state="visible")
    assert not seen.page.get_by_role("dialog").is_visible()
    assert seen.complaints == []


def test_a_number_leads_to_the_command_that_makes_it(seen: Seen) -> None:
    row = seen.page.locator(".board tr", has=seen.page.get_by_role("link", name="cipher_small", exact=True))
    row.get_by_role("link", name="4").first.click()
    found = seen.page.locator(".found")
    found.wait_for(state="visible")
    assert "bytes per character" in found.inner_text()
    article = seen.page.locator("article", has=found)
    assert article.locator(".made code").inner_text() == "dvc repro evaluate@cipher_small"


def test_every_link_to_a_number_finds_it(seen: Seen) -> None:
    seen.page.evaluate("unpackAll(document)")
    script = "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => decodeURIComponent(a.hash.slice(1)))"
    targets = seen.page.evaluate(f"{script}.filter(id => !document.getElementById(id))")
    assert targets == []


def exported(seen: Seen, button: Any) -> list[dict[str, str]]:
    with seen.page.expect_download() as started:
        button.click()
    text = Path(started.value.path()).read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_leaderboard_is_exported_as_it_is_shown(seen: Seen, made_once: Bench) -> None:
    button = seen.page.locator(".scroll:has(.board) + .csv").first
    lines = exported(seen, button)
    assert [line["Experiment"] for line in lines] == made_once.names
    row = made_once.rows()[2]
    assert float(lines[2]["Bytes per character"]) == round(row["metrics"]["fidelity.bytes_per_character"]["value"], 2)
    gain = row["attacks"]["frequency"]["gain"]
    assert [lines[2][f"Frequency{end}"] for end in ("", " low", " high")] == [
        f"{gain[key]:.3f}" for key in ("value", "low", "high")
    ]
    assert lines[0]["Verdict"] == "broken"


def test_a_table_of_a_section_is_exported(seen: Seen, made_once: Bench) -> None:
    seen.page.get_by_role("link", name="aes_ctr", exact=True).first.click()
    article = seen.page.locator("#aes_ctr article[data-part=frequency]")
    article.wait_for()
    lines = exported(seen, article.locator(".scroll:has(caption:text-is('Metrics')) + .csv"))
    metric = made_once.rows()[3]["metrics"]["frequency.recovery"]
    assert lines[0]["Metric"] == "recovery"
    assert float(lines[0]["Value"]) == pytest.approx(metric["value"], abs=0.001)
    assert float(lines[0]["Value low"]) == pytest.approx(metric["low"], abs=0.001)


def test_two_rows_side_by_side(seen: Seen) -> None:
    seen.page.get_by_label("First").select_option("plaintext")
    seen.page.get_by_label("Second").select_option("aes_ctr")
    seen.page.get_by_role("button", name="Compare").press("Enter")
    numbers = seen.page.locator(".result table").first
    numbers.wait_for()
    lines = {
        row[0]: row[1:] for row in numbers.evaluate("t => [...t.rows].map(r => [...r.cells].map(c => c.innerText))")
    }
    assert lines[""] == ["plaintext", "aes_ctr", ""]
    assert lines["Gain: Frequency"][2] == "≠"
    assert lines["fidelity: bytes per character"] == ["1", "1.001", "≠"]
    assert lines["fidelity: bit error rate"][2] == ""
    settings = seen.page.locator(".result table").last
    lines = {
        row[0]: row[1:] for row in settings.evaluate("t => [...t.rows].map(r => [...r.cells].map(c => c.innerText))")
    }
    assert lines["names.experiment"] == ["plaintext", "aes_ctr", ""]
    assert "seed" not in lines
    seen.shot("compare")
    assert seen.complaints == []


def test_a_long_name_is_short_in_a_table_and_whole_in_its_section(
    browser: Any, made_once: Bench, shots: Path | None, tmp_path: Path
) -> None:
    from dataclasses import replace

    whole = "hashmap model.epochs=3 attack.template_linkage.pairs=500 model.impersonation.epsilon=0.05 seed="
    records = [replace(record, name=f"{whole}{seed}") for seed, record in enumerate(made_once.records()[-2:])]
    write(records, tmp_path)
    seen = Seen(browser, tmp_path / "index.html", shots, viewport={"width": 390, "height": 844})
    links = seen.page.locator(".board tbody th a")
    assert len(set(links.all_inner_texts())) == len(records)
    assert all(len(text) <= 28 for text in links.all_inner_texts())
    assert links.first.get_attribute("title") == f"{whole}0"
    assert seen.page.locator(".experiment h3").first.inner_text() == f"{whole}0"
    assert seen.width() == 390
    seen.shot("long_names")
