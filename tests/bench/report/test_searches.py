"""Charts of a search against loops over its trials."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from unpacked import unpack
from veilbench.bench.errors import UserError
from veilbench.bench.report.page import render
from veilbench.bench.report.searches import FILE, SearchResult, Trial, find_front, find_searches

TRIALS = [Trial(0, 0.5, gain=0.9), Trial(1, 0.9, pruned=True), Trial(2, 0.7, gain=0.2), Trial(4, 0.3, gain=0.4)]
RESULT = SearchResult("small", "evaluate.x", "minimize", TRIALS, {"a": 0.25, "b": 0.75}, "a=1 b=2")


def test_history_leaves_out_what_was_cut_short() -> None:
    history = RESULT.charts()[0]
    trials, best = history.curves
    assert (list(trials.x), list(trials.y)) == ([0, 2, 4], [0.5, 0.7, 0.3])
    assert list(best.y) == [0.5, 0.5, 0.3]
    up = SearchResult("small", "evaluate.x", "maximize", TRIALS)
    assert list(up.charts()[0].curves[1].y) == [0.5, 0.7, 0.7]


def test_the_most_important_setting_is_first() -> None:
    assert [curve.name for curve in RESULT.charts()[1].curves] == ["b", "a"]


def test_the_front_is_of_gain_and_objective() -> None:
    trials, front = RESULT.charts()[2].curves
    assert sorted(zip(trials.x, trials.y, strict=True)) == [(0.2, 0.7), (0.4, 0.3), (0.9, 0.5)]
    assert list(zip(front.x, front.y, strict=True)) == [(0.2, 0.7), (0.4, 0.3)]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_front_has_what_a_loop_finds_unbeaten(direction: str) -> None:
    rng, sign = np.random.default_rng(0), 1 if direction == "minimize" else -1
    for _ in range(50):
        points = [(float(gain), float(value)) for gain, value in rng.integers(0, 6, (12, 2))]
        unbeaten = {
            one
            for one in points
            if not any(other != one and other[0] <= one[0] and sign * other[1] <= sign * one[1] for other in points)
        }
        assert find_front(points, direction) == sorted(unbeaten)


def test_without_attacks_or_a_second_trial_there_is_nothing_to_compare() -> None:
    assert SearchResult("small", "x", "minimize", [Trial(0, 1.0)]).charts() == []
    without = SearchResult("small", "x", "minimize", [Trial(0, 1.0), Trial(1, 2.0)])
    assert [chart.title for chart in without.charts()] == ["History"]


def test_the_page_has_the_charts_of_the_searches_in_its_folders(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / FILE).write_bytes(TypeAdapter(SearchResult).dump_json(RESULT))
    assert find_searches([tmp_path, tmp_path / "search"]) == [RESULT]
    text = unpack(render([], searches=find_searches([tmp_path])))
    assert "Search: small" in text
    assert "4 trials, 1 of them cut short" in text
    for title in ("History", "Importance of the settings", "Utility against privacy"):
        assert f"<figcaption>{title}</figcaption><svg" in text.replace("\n", "")


@pytest.mark.parametrize("change", [{"direction": "up"}, {"trials": [{"number": "first"}]}])
def test_a_damaged_file_is_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    plain = TypeAdapter(SearchResult).dump_python(RESULT, mode="json") | change
    (tmp_path / FILE).write_text(json.dumps(plain))
    with pytest.raises(UserError, match=f"{FILE} is damaged at {next(iter(change))}"):
        find_searches([tmp_path])
