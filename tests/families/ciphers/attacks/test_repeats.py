"""Repeats of codes: found in every substitution of a language, and not in random codes."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.ciphers.attacks.codebook_search import CodebookSearch
from veilbench.families.ciphers.attacks.repeats import count_excess, may_be_solved
from veilbench.families.ciphers.data.text import Texts


def substitute(text: np.ndarray, members: int, rng: np.random.Generator) -> np.ndarray:
    books, ids = np.array([rng.permutation(91) for _ in range(members)]), rng.integers(0, members, len(text))
    return np.unique(ids * 91 + books[ids, text], return_inverse=True)[1]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_pairs_are_those_that_a_loop_counts(width: int) -> None:
    tokens = np.random.default_rng(0).integers(0, 5, 60)
    runs = [tuple(tokens[i : i + width]) for i in range(len(tokens) - width + 1)]
    pairs = sum(one == other for i, one in enumerate(runs) for other in runs[:i])
    share = 1 / 5 if width == 1 else sum(((tokens == t).mean()) ** 2 for t in range(5)) ** width
    expected = len(runs) * (len(runs) - 1) / 2 * share
    assert count_excess(tokens, width) == pytest.approx((pairs - expected) / expected**0.5)


@pytest.mark.parametrize("members", [1, 4, 16])
def test_a_language_repeats_in_any_number_of_code_books(texts: Texts, members: int) -> None:
    rng = np.random.default_rng(0)
    for first in range(0, len(texts.target) - 2000, 2000):
        assert may_be_solved(substitute(texts.target[first : first + 2000], members, rng))


@pytest.mark.parametrize("codes", [91, 256, 400])
def test_random_codes_do_not_repeat(codes: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [np.unique(rng.integers(0, codes, 2000), return_inverse=True)[1] for _ in range(200)]
    assert not any(map(may_be_solved, drawn))


def test_equally_frequent_codes_that_repeat_in_runs_are_searched() -> None:
    rng = np.random.default_rng(0)
    runs = rng.permutation(100).reshape(20, 5)
    tokens = runs[rng.integers(0, 20, 400)].ravel()
    assert count_excess(tokens, 1) < 6 < count_excess(tokens, 2)
    assert may_be_solved(tokens)


def test_short_texts_are_always_searched() -> None:
    assert may_be_solved(np.arange(900))
    assert not may_be_solved(np.arange(1100))


@pytest.mark.parametrize(("codes", "search"), [("random", (0, False)), ("text", (4, True))])
def test_only_a_text_that_repeats_is_searched_from_random_keys_and_finished(
    texts: Texts, codes: str, search: tuple[int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, asked = np.random.default_rng(0), []
    solve = "veilbench.families.ciphers.attacks.substitution.solve"
    monkeypatch.setattr(solve, lambda tokens, *_, **given: asked.append((given["restarts"], given["finish"])) or tokens)
    tokens = rng.integers(0, 200, 1500) if codes == "random" else substitute(texts.target[:1500], 2, rng)
    tokens = np.unique(tokens, return_inverse=True)[1]
    groups = np.full(tokens.max() + 1, -1)
    CodebookSearch().find(tokens, groups, texts.statistics, rng)
    CodebookSearch().find(tokens, groups, texts.statistics, rng, known=np.zeros(len(groups), np.int64))
    CodebookSearch().find(tokens, groups, texts.statistics, rng, members=8)
    assert asked == [search, (4, True), (search[0], True)]


@pytest.mark.parametrize(("codes", "copies"), [(150, 2), (200, None)])
def test_more_codes_than_the_members_have_are_not_taken_for_code_books(
    texts: Texts, codes: int, copies: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int | None]()
    solve = "veilbench.families.ciphers.attacks.substitution.solve"
    monkeypatch.setattr(solve, lambda tokens, *_, **given: asked.append(given["copies"]) or tokens)
    CodebookSearch().find(np.arange(codes), np.full(codes, -1), texts.statistics, np.random.default_rng(0), members=2)
    assert asked == [copies]
