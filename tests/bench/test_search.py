"""Files of conf/search: ranges that are none, and values that are not allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.search import Range, read_search

SEARCH = "trials: 3\nobjective: a\ndirection: {direction}\nspace:\n  x: {space}\n"


@pytest.mark.parametrize(
    ("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True), (-1, 1, True), (0.0, 1e-9, True)]
)
def test_a_range_that_is_none_is_refused(low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match=f"low={low} must be below high={high}, and above 0 if log=true"):
        Range(low, high, log)


@pytest.mark.parametrize(("low", "high", "log"), [(-1, 0, False), (0, 1, False), (1e-9, 1, True), (1, 2, True)])
def test_a_range_may_end_at_zero_and_begin_just_above_it(low: float, high: float, log: bool) -> None:
    assert Range(low, high, log).low == low


def read(tmp_path: Path, **settings: Any) -> Any:
    file = tmp_path / "one.yaml"
    file.write_text(SEARCH.format(**{"direction": "minimize", "space": "[1, 2]"} | settings))
    return read_search(file)


def test_what_is_read_and_what_is_assumed(tmp_path: Path) -> None:
    found = read(tmp_path, space="{low: 1, high: 4}")
    assert (found.trials, found.direction, found.space["x"]) == (3, "minimize", Range(1, 4))
    assert (found.watched, found.seed, found.space["x"].log) == (None, 0, False)


def test_the_first_wrong_value_is_named_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"one\.yaml: direction='up' is not allowed: input should be"):
        read(tmp_path, direction="up", space="3")
    with pytest.raises(UserError, match=r"one\.yaml: space\.x\."):
        read(tmp_path, space="3")


def test_a_search_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no search other; there are: none"):
        read_search(tmp_path / "other.yaml")
    read(tmp_path)
    (tmp_path / "b.yaml").write_text("")
    with pytest.raises(UserError, match="no search other; there are: b, one"):
        read_search(tmp_path / "other.yaml")
