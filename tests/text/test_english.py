"""English: what an attacker learns from and what is attacked never share a paragraph."""

from __future__ import annotations

from pydoc_data.topics import topics as raw

import numpy as np
import pytest

from veilbench.text import english
from veilbench.text.alphabet import normalise

SHARES = [0.5, 0.35, 0.15]
LONG = 70  # characters from which a paragraph is no heading, and no sentence with which several notes begin


@pytest.fixture(scope="module")
def documents() -> list[str]:
    return english.load_topics()


def paragraphs() -> set[str]:
    """Every long paragraph of the help texts; a ruling line is none."""
    plain = {normalise(paragraph) for text in raw.values() for paragraph in text.split("\n\n")}
    return {paragraph for paragraph in plain if len(paragraph) >= LONG and english.is_prose(paragraph)}


def counted(paragraph: str, texts: list[str]) -> int:
    return sum(paragraph in text for text in texts)


def test_every_paragraph_is_kept_by_some_document(documents: list[str]) -> None:
    whole = "\n".join(documents)
    assert not [paragraph for paragraph in paragraphs() if paragraph not in whole]


def test_tables_are_no_prose_and_sentences_are() -> None:
    assert english.is_prose("The quick brown fox, which is red, jumps (twice) over 2 dogs.")
    assert not english.is_prose("+------+-----+ | a | b | +======+=====+ | 1 | 2 | +------+-----+")


def test_the_docstrings_hold_no_paragraph_of_the_help_texts(documents: list[str]) -> None:
    library = english.load_docstrings(documents)
    assert len(library) > 500_000
    assert not [paragraph for paragraph in paragraphs() if paragraph in library]


def test_the_raw_help_texts_do_repeat_paragraphs_across_topics() -> None:
    plain = [normalise(text) for text in raw.values()]
    assert sum(counted(paragraph, plain) > 1 for paragraph in paragraphs()) > 50


def test_no_paragraph_stands_on_both_sides_of_a_split(documents: list[str]) -> None:
    for seed in range(3):
        parts = english.split(documents, SHARES, np.random.default_rng(seed))
        assert not [p for p in paragraphs() if counted(p, parts) > 1]


def test_no_paragraph_stands_in_two_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated = {"b": "second\n\nshared  text\n\nlast", "a": "first\n\nshared text", "c": "shared\ntext"}
    monkeypatch.setattr("pydoc_data.topics.topics", repeated)
    assert english.load_topics() == ["first\nshared text", "second\nlast"]


def test_a_split_deals_every_document_whole_and_once() -> None:
    documents = [f"<{index}>" * (index + 1) for index in range(40)]
    parts = english.split(documents, SHARES, np.random.default_rng(1))
    dealt = [document for part in parts for document in part.split(" ")]
    assert sorted(dealt) == sorted(documents)


def test_the_parts_have_about_their_shares(documents: list[str]) -> None:
    sizes = np.array([len(part) for part in english.split(documents, SHARES, np.random.default_rng(0))])
    assert sizes / sizes.sum() == pytest.approx(SHARES, abs=0.05)


def test_the_generator_alone_decides_the_split(documents: list[str]) -> None:
    one, again, other = (english.split(documents, SHARES, np.random.default_rng(s)) for s in (3, 3, 4))
    assert one == again
    assert one != other
