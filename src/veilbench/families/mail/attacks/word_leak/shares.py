"""Measures of word inference: shares of the clients' words that are reported, and the gain above chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.attacks.word_leak.update import SHARES, common, label_recall, leak
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.metrics.intervals import proportion

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.accumulator import Knowledge, WordGuess

Row = list[str | float | Metric | None]
HEADINGS = (*(share.replace("_", " ") for share in SHARES), "label named")


def union(words: Sequence[np.ndarray]) -> np.ndarray:
    """Return the sorted union of several arrays of word numbers."""
    return np.unique(np.concatenate(words))


def count_possible_words(data: Mails) -> int:
    """Return the number of possible words, including padding and the unknown word.

    This is the size of the vocabulary or, if that was built from the clients' mails only, of the corpus's lexicon.
    """
    return FIRST_WORD + len(data.lexicon) if data.vocabulary_from == "clients" else data.vocabulary.size


def gain(knowledge: Knowledge, data: Mails, lists: bool) -> Metric:
    """Return the gain of the clients' messages; `lists` adds the lists of words sent for the vocabulary."""
    batches, guesses = knowledge.clients.batches, knowledge.guesses()
    if lists:
        guesses = [union([guess, batch.words]) for guess, batch in zip(guesses, batches, strict=True)]
    return informedness(guesses, batches, count_possible_words(data))


def dice_similarity(guessed: np.ndarray, truth: np.ndarray) -> float:
    """Return the similarity of two sets of words (Dice 1945): 1 if they are equal, 0 if they are disjoint."""
    return 2 * len(common(guessed, truth)) / max(len(guessed) + len(truth), 1)


def shares_of(guess: WordGuess, batch: ClientBatch, data: Mails) -> Row:
    """Return the cells of a table row, one for each of `HEADINGS`."""
    measured = leak(guess.words, batch.words, data.rare_numbers)
    labels = None if guess.leanings is None else label_recall(guess.leanings, *batch.one_sided)
    return [*(getattr(measured, share) for share in SHARES), labels]


def informedness(guessed: Sequence[np.ndarray], batches: Sequence[ClientBatch], size: int) -> Metric:
    """Return Youden's J over all clients: the share of their words reported minus that of other words (Youden 1950).

    Args:
        guessed: numbers of the words reported for each client.
        batches: mails of each client.
        size: number of possible words, including padding and the unknown word.

    Raises:
        UserError: the clients have used no known word, or all words.
    """
    truths = [batch.words for batch in batches]
    right = sum(len(common(g, t)) for g, t in zip(guessed, truths, strict=True))
    wrong, there = sum(map(len, guessed)) - right, sum(map(len, truths))
    absent = len(batches) * (size - FIRST_WORD) - there
    if not there or not absent:
        raise UserError("the attack on words needs words that clients have used, and others")
    each = 1 - (1 - CONFIDENCE) / 2  # Bonferroni: both intervals hold simultaneously
    recall, false = proportion(right, there, each), proportion(wrong, absent, each)
    label = f"Clopper-Pearson on both shares, {100 * CONFIDENCE:g} %"
    return Metric(recall.value - false.value, recall.low - false.high, recall.high - false.low, there, label)
