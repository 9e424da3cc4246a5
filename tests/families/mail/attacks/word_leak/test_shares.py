"""Shares of words: closed forms, and counts by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.attacks.word_leak.shares import (
    HEADINGS,
    count_possible_words,
    dice_similarity,
    informedness,
    measure_gain,
    tabulate_shares,
    union,
)


def words(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_informedness_is_zero_for_naming_all_and_for_naming_nothing() -> None:
    case = ClientBatch(np.array([[2, 3, 4, 4, 0]]), np.array([1]))
    everything, nothing, half = np.arange(2, 12), np.empty(0, np.int64), np.array([2, 3, 9])
    assert informedness([everything], [case], 12).value == 0
    assert informedness([nothing], [case], 12).value == 0
    assert informedness([half], [case], 12).value == pytest.approx(2 / 3 - 1 / 7)
    assert informedness([case.words], [case], 12).value == 1


def test_both_shares_of_the_informedness_hold_together() -> None:
    """All of 4 words named and none of the 10 others: each end has the closed form of a quarter of 1 %."""
    case = ClientBatch(np.array([[2, 3, 4, 5, 0]]), np.array([1]))
    metric = informedness([case.words], [case], 16)
    recall, false = 0.0025 ** (1 / 4), 1 - 0.0025 ** (1 / 10)
    assert (metric.low, metric.value, metric.high) == pytest.approx((recall - false, 1, 1))


def test_cases_of_several_clients_count_together() -> None:
    """Clients with 3 and 1 of 10 words; 2 and 0 of them named, and 1 and 2 others."""
    one, other = ClientBatch(np.array([[2, 3, 4]]), np.array([1])), ClientBatch(np.array([[5, 5, 0]]), np.array([0]))
    metric = informedness([words(2, 3, 9), words(6, 7)], [one, other], 12)
    assert metric.value == pytest.approx(2 / 4 - 3 / 16)
    assert metric.n == 4
    assert metric.interval == "Clopper-Pearson on both shares, 99 %"


@pytest.mark.parametrize("mail", [[0, 1, 0], [2, 3, 4]])
def test_words_that_nobody_or_everybody_used_show_nothing(mail: list[int]) -> None:
    with pytest.raises(UserError, match="needs words that clients have used, and others"):
        informedness([words()], [ClientBatch(np.array([mail]), np.array([1]))], 5)


def test_sets_of_words_are_alike_by_what_they_share() -> None:
    assert dice_similarity(words(2, 3, 4), words(2, 3, 4)) == 1
    assert dice_similarity(words(2, 3), words(4, 5, 6)) == 0
    assert dice_similarity(words(2, 3, 4), words(3, 4, 5, 6, 7)) == pytest.approx(2 * 2 / 8)
    assert dice_similarity(words(), words()) == 0
    assert dice_similarity(words(2), words()) == 0


def test_a_union_is_sorted_and_holds_each_word_once() -> None:
    assert union([words(5, 2), words(2, 9), words()]).tolist() == [2, 5, 9]


def test_the_possible_words_are_the_vocabulary_or_the_whole_lexicon() -> None:
    vocabulary = SimpleNamespace(size=40)
    for source, size in (("hashed", 40), ("clients", 2 + 7)):
        some: Any = SimpleNamespace(vocabulary_from=source, lexicon=list("abcdefg"), vocabulary=vocabulary)
        assert count_possible_words(some) == size


def test_a_row_has_precision_and_recall_of_all_and_of_rare_words_and_the_labels() -> None:
    case = ClientBatch(np.array([[2, 3, 4, 5], [6, 6, 2, 0]]), np.array([0, 1]))  # ham alone: 3, 4, 5; spam alone: 6
    data: Any = SimpleNamespace(rare_numbers=words(4, 5, 9))
    signs = np.zeros(10, np.int64)
    signs[[3, 4]], signs[6] = -1, 1
    named: Any = SimpleNamespace(words=words(2, 3, 4, 9), labels=signs)
    row = tabulate_shares(named, case, data)
    assert len(row) == len(HEADINGS)
    assert [(cell.value, cell.n) for cell in row] == [  # type: ignore[union-attr]
        (3 / 4, 4), (3 / 5, 5), (1 / 2, 2), (1 / 2, 2), (3 / 4, 4),
    ]  # fmt: skip
    named.labels = None
    assert tabulate_shares(named, case, data)[-1] is None


def test_lists_sent_for_the_vocabulary_name_every_word() -> None:
    case = ClientBatch(np.array([[2, 3, 4]]), np.array([1]))
    sight: Any = SimpleNamespace(clients=SimpleNamespace(batches=[case]), guesses=lambda: [words(3, 9)])
    data: Any = SimpleNamespace(vocabulary_from="hashed", vocabulary=SimpleNamespace(size=12))
    assert measure_gain(sight, data, lists=False).value == pytest.approx(1 / 3 - 1 / 7)
    assert measure_gain(sight, data, lists=True).value == pytest.approx(1 - 1 / 7)
