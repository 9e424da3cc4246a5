"""Copies of a text in capitals and with quotation marks."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from veilbench.families.ciphers.attacks.language import fit_language_model
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.typography import add_capitals, add_quotations
from veilbench.text.alphabet import decode, encode
from veilbench.text.english import load_topics

PLAY = "Who goes there? Speak! I'll not stay. The night is cold, and the watch is long. Come in. "


def test_capitals_are_appended() -> None:
    symbols = encode("ab c dz.y")
    assert decode(add_capitals(symbols, 1.0)) == "ab c dz.y" + "AB C DZ.Y" + "Ab C Dz.y"
    np.testing.assert_array_equal(add_capitals(symbols, 0.0), symbols)


def test_copies_quote_whole_sentences_and_change_nothing_else() -> None:
    play = encode(PLAY * 40)
    longer = decode(add_quotations(play, 1.0))
    assert longer.startswith(PLAY * 40)
    copies = longer[len(PLAY) * 40 + 1 :]
    double, single = copies[: copies.rindex('"') + 1], copies[copies.rindex('"') + 1 :]
    assert double.replace('"', "") in PLAY * 40
    assert re.sub(r"'(?!ll)", "", single).strip() in PLAY * 40
    for mark, copy, fewest in (('"', double, 40), ("'", single.replace("I'll", "I will"), 12)):
        opened = re.findall(rf"(?:^| ){mark}(?=[A-Z])", copy)
        assert fewest < len(opened)
        closed = re.findall(rf"(?<=[.!?]){mark}(?= |$)", copy)
        assert abs(len(opened) - len(closed)) <= 1  # a copy may begin or end within a sentence
    assert len(single) == pytest.approx(0.3 * len(double), rel=0.1)


def test_the_part_that_is_copied_is_a_share_and_always_the_same() -> None:
    play = encode(PLAY * 40)
    np.testing.assert_array_equal(add_quotations(play, 0.0), play)
    np.testing.assert_array_equal(add_quotations(play), add_quotations(play))
    assert 1.4 < len(add_quotations(play, 0.35)) / len(play) < 1.5


def test_a_mark_within_the_text_is_not_doubled() -> None:
    spoken = encode('"Come in," he said. "It is late." ' * 40)
    assert '""' not in decode(add_quotations(spoken, 1.0))


def test_the_attackers_model_expects_quotations_in_a_text_without_any() -> None:
    prose = re.sub("['\"]", "", " ".join(load_topics()).replace("\n", " "))
    plain = encode(re.sub(r"[^ -z]", "", prose)[:100_000])
    quoted = encode('He said "This is the name of the module." ')
    known, unknown = fit_language_model(plain, 4), NGramModel.fit(add_capitals(plain), 4)
    assert known.score_symbols(quoted).sum() > unknown.score_symbols(quoted).sum() + 5


def test_the_attackers_model_expects_double_marks_rather_than_single_ones() -> None:
    """With equal copies of both, some marks of a text could be read as the other kind at no cost."""
    prose = re.sub(r"[^ -z]|['\"]", "", " ".join(load_topics()).replace("\n", " "))
    model, others = fit_language_model(encode(prose[:100_000]), 4), prose[100_000:140_000]
    begun = [(others[at - 20 : at], others[at : at + 8]) for at in find_sentences(others)]
    scores = {mark: [model.score_symbols(encode(f"{a}{mark}{b}")).sum() for a, b in begun] for mark in "\"'"}
    assert len(begun) > 200
    assert np.mean(scores['"']) > np.mean(scores["'"]) + 0.4


def find_sentences(text: str) -> list[int]:
    return [found.end() for found in re.finditer(r"(?<=.{20}\. )(?=[A-Z][a-z])", text)]


@pytest.mark.parametrize("add", [add_capitals, add_quotations])
def test_bad_share_is_named(add: Callable[[np.ndarray, float], np.ndarray]) -> None:
    with pytest.raises(ValueError, match="share is 2"):
        add(encode(PLAY), 2.0)
