"""Cached controls: run once per key, and read back unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import Control, Metric

MADE = Control("positive", "Scheme", Metric(0.5, 0.25, 0.75, 3, "an interval", "share"), False)


def never() -> Control:
    pytest.fail("it was run again")


def test_a_control_is_run_once_and_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "controls"
    assert ControlMemory(folder, "key").recall("positive", lambda: MADE) == MADE
    assert ControlMemory(folder, "key").recall("positive", never) == MADE
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(("key", "kind"), [("other", "positive"), ("key", "negative")])
def test_another_key_or_kind_is_run_on_its_own(tmp_path: Path, key: str, kind: str) -> None:
    ControlMemory(tmp_path, "key").recall("positive", lambda: MADE)
    other = Control(kind, "Other", Metric.exact(0), True)
    assert ControlMemory(tmp_path, key).recall(kind, lambda: other) == other
    assert ControlMemory(tmp_path, "key").recall("positive", never) == MADE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"gain"', '"gains"'),
        ("0.25", "NaN"),
        ("0.25", '"0.25"'),
        ("0.25", "0.6"),  # this puts the estimate outside its interval
        ('"positive"', '"negative"'),
        ("false", '"false"'),
        ("}", ""),
        ('"Scheme"', "null"),
    ],
)
def test_a_damaged_one_is_made_again(tmp_path: Path, old: str, new: str) -> None:
    ControlMemory(tmp_path, "key").recall("positive", lambda: MADE)
    (file,) = tmp_path.iterdir()
    good = file.read_text()
    assert old in good
    file.write_text(good.replace(old, new, 1))
    assert ControlMemory(tmp_path, "key").recall("positive", lambda: MADE) == MADE
    assert file.read_text() == good
    for content in (b"", b"[]", b"null", b"\xff"):
        file.write_bytes(content)
        assert ControlMemory(tmp_path, "key").recall("positive", lambda: MADE) == MADE
    assert file.read_text() == good
    assert list(tmp_path.iterdir()) == [file]


def test_without_a_key_nothing_is_remembered(tmp_path: Path) -> None:
    runs: list[int] = []
    for _ in range(2):
        ControlMemory(tmp_path / "none", None).recall("positive", lambda: runs.append(1) or MADE)
    assert len(runs) == 2
    assert not (tmp_path / "none").exists()
