"""Prepared text: its words, its files, and the settings that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.data.text import PARTS, TextData, draw_words
from veilbench.text import alphabet, english


def lengths_of_words(text: str, count: int, longest: int) -> list[int] | None:
    """Lengths of words of distinct letters with a space after each, or None if the text is not that.

    A word may hold a space itself, so that the reading is searched: a state is how many characters have been
    read as whole words.
    """
    states: list[dict[int, list[int]]] = [{0: []}]
    for _ in range(count):
        after: dict[int, list[int]] = {}
        for place, read in states[-1].items():
            for length in range(1, longest + 1):
                word, end = text[place : place + length], place + length
                if len(set(word)) == length and text[end : end + 1] == " ":
                    after.setdefault(end + 1, [*read, length])
        states.append(after)
    return states[-1].get(len(text))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    TextData(words=(20, 30), seed=5).prepare(folder)
    return folder


def test_words_are_distinct_letters_with_a_space_after_each() -> None:
    for seed in range(20):
        assert lengths_of_words(draw_words(15, 10, np.random.default_rng(seed)), 15, 10) is not None


def test_the_reader_of_words_refuses_what_is_none() -> None:
    assert lengths_of_words("aa b ", 2, 10) is None
    assert lengths_of_words("ab c", 2, 10) is None
    assert lengths_of_words("abcdef ", 1, 5) is None
    assert lengths_of_words("ab c ", 2, 10) == [2, 1]


def test_words_have_every_length_about_equally_often() -> None:
    sizes = np.zeros(6)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        sizes[len(draw_words(1, 5, rng)) - 1] += 1
    assert sizes[0] == 0
    assert sizes[1:] == pytest.approx(400, abs=4 * np.sqrt(320))  # four standard deviations


def test_words_use_the_whole_alphabet_and_nothing_else() -> None:
    text = draw_words(1500, 10, np.random.default_rng(0))
    assert set(text) == {chr(point) for point in range(32, 123)}


def test_a_word_as_long_as_the_alphabet_is_a_permutation() -> None:
    rng = np.random.default_rng(0)
    longest = max((draw_words(1, alphabet.SIZE, rng) for _ in range(500)), key=len)
    assert len(longest) == alphabet.SIZE + 1
    assert sorted(longest[:-1]) == [chr(point) for point in range(32, 123)]


def test_the_number_of_words_lies_between_its_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        "veilbench.families.ciphers.data.text.draw_words", lambda count, *rest: asked.append(count) or ""
    )
    monkeypatch.setattr(english, "load_topics", lambda: ["text"] * 9)
    for seed in range(20):
        TextData(words=[7, 9], seed=seed).prepare(tmp_path)
    assert set(asked) == {7, 8, 9}


def test_load_gives_back_what_prepare_wrote(prepared: Path) -> None:
    texts = TextData(words=(20, 30), seed=5).load(prepared)
    for part in PARTS:
        symbols = getattr(texts, part)
        assert symbols.dtype == np.uint8
        assert alphabet.decode(symbols) == (prepared / f"{part}.txt").read_text("ascii")
        assert len(symbols) > 20


def test_preparing_again_writes_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    TextData(words=[20, 30], seed=5).prepare(tmp_path)
    for part in PARTS:
        assert (tmp_path / f"{part}.txt").read_bytes() == (prepared / f"{part}.txt").read_bytes()


def test_another_seed_changes_every_part(prepared: Path, tmp_path: Path) -> None:
    TextData(words=(20, 30), seed=6).prepare(tmp_path)
    for part in PARTS:
        assert (tmp_path / f"{part}.txt").read_bytes() != (prepared / f"{part}.txt").read_bytes()


def test_every_help_text_is_in_exactly_one_english_part(prepared: Path) -> None:
    parts = [(prepared / f"{part}.txt").read_text("ascii") for part in PARTS[1:]]
    for document in english.load_topics():
        assert sum(document.replace(english.BREAK, " ") in part for part in parts) == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named(prepared: Path, tmp_path: Path, part: str) -> None:
    for other in set(PARTS) - {part}:
        (tmp_path / f"{other}.txt").write_bytes((prepared / f"{other}.txt").read_bytes())
    with pytest.raises(UserError, match=rf"{part}\.txt.*dvc repro prepare"):
        TextData().load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "value", "allowed"),
    [
        ({"words": [5, 3]}, "words=[5, 3]", "the smaller first"),
        ({"words": (0, 3)}, "words=[0, 3]", "at least 1"),
        ({"words": [4]}, "words=[4]", "two numbers"),
        ({"words": [1, 2, 3]}, "words=[1, 2, 3]", "two numbers"),
        ({"longest_word": 92}, "longest_word=92", "at most 91"),
    ],
)
def test_bad_settings_are_refused_by_name_and_value(settings: dict[str, Any], value: str, allowed: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        TextData(**settings)
    assert value in str(refused.value)
    assert allowed in str(refused.value)


def test_the_extreme_settings_are_allowed() -> None:
    TextData(words=(1, 1), longest_word=91)
