"""Metrics of word inference: precision and recall of the reported words, and the gain above chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.attacks.word_leak.update import SHARES, intersect, label_recall, measure_leak
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

    This is the size of the vocabulary. A vocabulary built from the clients' mails has only words that they use; then it
    is the size of the corpus's lexicon.
    """
    return FIRST_WORD + len(data.lexicon) if data.vocabulary_from == "clients" else data.vocabulary.size


def measure_gain(knowledge: Knowledge, data: Mails, lists: bool) -> Metric:
    """Measure the gain of the attack on the clients' messages.

    Args:
        knowledge: the attacker's knowledge after some rounds.
        data: mails, from which the number of possible words follows.
        lists: whether the attacker also has the lists of words that the clients sent to build the vocabulary.
    """
    batches, guesses = knowledge.clients.batches, knowledge.guesses()
    if lists:
        guesses = [union([guess, batch.words]) for guess, batch in zip(guesses, batches, strict=True)]
    return informedness(guesses, batches, count_possible_words(data))


def dice_similarity(guessed: np.ndarray, truth: np.ndarray) -> float:
    """Compute the Dice coefficient of two sets of words (Dice 1945): 1 if they are equal, 0 if they are disjoint."""
    return 2 * len(intersect(guessed, truth)) / max(len(guessed) + len(truth), 1)


def tabulate_shares(guess: WordGuess, batch: ClientBatch, data: Mails) -> Row:
    """Return the metrics of a guess as cells of a table row, one for each of `HEADINGS`."""
    leak = measure_leak(guess.words, batch.words, data.rare_numbers)
    labels = None if guess.labels is None else label_recall(guess.labels, *batch.one_sided)
    return [*(getattr(leak, share) for share in SHARES), labels]


def informedness(guessed: Sequence[np.ndarray], batches: Sequence[ClientBatch], size: int) -> Metric:
    """Compute Youden's J over all clients (Youden 1950): true positive rate minus false positive rate.

    A word that a client has used is a positive of this client, and any other possible word is a negative.

    Args:
        guessed: numbers of the words reported for each client.
        batches: mails of each client.
        size: number of possible words, including padding and the unknown word.

    Raises:
        UserError: the clients have used no known word, or all words.
    """
    truths = [batch.words for batch in batches]
    true_positives = sum(len(intersect(g, t)) for g, t in zip(guessed, truths, strict=True))
    false_positives, positives = sum(map(len, guessed)) - true_positives, sum(map(len, truths))
    negatives = len(batches) * (size - FIRST_WORD) - positives
    if not positives or not negatives:
        raise UserError("the attack on words needs words that clients have used, and others")
    each = 1 - (1 - CONFIDENCE) / 2  # Bonferroni: both intervals hold simultaneously
    tpr, fpr = proportion(true_positives, positives, each), proportion(false_positives, negatives, each)
    label = f"Clopper-Pearson on both shares, {100 * CONFIDENCE:g} %"
    return Metric(tpr.value - fpr.value, tpr.low - fpr.high, tpr.high - fpr.low, positives, label)
