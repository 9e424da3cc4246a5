"""Recovers words, labels and counts of a client's mails from its update.

An update changes exactly the embedding rows of the words in the client's mails: a word's gradient is the sum over mails
of (p - y) times the word's count, where p is the predicted probability and y the label. The functions here need only
the update, the weights that it started from, and the public settings of the training.

They require a filter with one weight per word, except `find_changed_words`, which also supports wider embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.metrics.intervals import proportion

SHARES = ("precision", "recall", "rare_precision", "rare_recall")  # attributes of `Leak`


def find_changed_words(update: np.ndarray, above: float = 0.0) -> np.ndarray:
    """Return the sorted numbers of the words whose embedding row has changed.

    Args:
        update: embedding after training minus before, shape (words,) or (words, dimension).
        above: threshold on the largest magnitude in a row; positive for noisy updates.
    """
    rows = np.abs(update.reshape(len(update), -1)).max(1)
    words = np.flatnonzero(rows > above)
    return words[words >= FIRST_WORD]


def infer_labels(update: np.ndarray) -> np.ndarray:
    """Infer the label of each word's mails, shape (words,): 1 for spam, -1 for ham, 0 for unchanged words.

    Gradient descent raises the weights of words in spam and lowers those of words in ham. An update of several steps
    shows their sum, so a word that occurs with both labels gets the label that dominates.

    Args:
        update: update of the words' weights, shape (words,).
    """
    signs: np.ndarray = np.sign(update).astype(np.int64)
    return signs


def solve_one_mail(update: np.ndarray, bias_update: float) -> tuple[dict[int, int], int]:
    """Recover all words of a mail with their counts, and its label, from one step of plain SGD on this mail.

    The bias changes by -rate * (p - y), and a word's weight by this times the word's count. So their ratio is the
    count, independently of the learning rate, the weights and the prediction.

    Args:
        update: update of the words' weights, shape (words,).
        bias_update: update of the bias.

    Returns:
        The count of each word, by its number, and the label: 0 for ham, 1 for spam.

    Raises:
        ValueError: the bias is unchanged, or a ratio is not an integer, so the update is not from one mail and step.
    """
    if not bias_update:
        raise ValueError("the bias has not moved: nothing can be solved")
    words = find_changed_words(update)
    ratios = update[words] / bias_update
    counts = np.rint(ratios).astype(np.int64)
    if (counts < 1).any() or (np.abs(ratios - counts) > 0.01 * counts).any():
        raise ValueError(
            "the update is not that of one mail and one step: its ratios to the bias are not whole numbers"
        )
    return dict(zip(words.tolist(), counts.tolist(), strict=True)), int(bias_update > 0)


def solve_net_counts(update: np.ndarray, learning_rate: float, mails: int) -> dict[int, int]:
    """Recover each word's count in spam minus that in ham, from one full-batch step of plain SGD from zero weights.

    With zero weights every prediction is one half, and the step is rate / (2 * mails) times the difference of the
    counts. A word that is equally frequent in both is missed, or recovered as 0 if rounding errors remain.

    From other weights, a word's step is the sum over mails of its count times p - y, where p is unknown without the
    mails: see `solve_one_mail` for one mail, and `several_mails.tell_mails_apart` for several.

    Args:
        update: update of the words' weights, shape (words,).
        learning_rate: learning rate of the step; public.
        mails: number of mails in the batch; public, since it determines the client's weight.

    Returns:
        The difference of the counts of each word, by its number.

    Raises:
        ValueError: a difference is not an integer, so the update is not from such a step.
    """
    words = find_changed_words(update)
    differences = update[words] * 2 * mails / learning_rate
    rounded = np.rint(differences).astype(np.int64)
    if (np.abs(differences - rounded) > 0.1).any():
        raise ValueError("the update is not that of one step from zero weights: its differences are not whole numbers")
    return dict(zip(words.tolist(), rounded.tolist(), strict=True))


def compute_zero_exponent(mantissa_bits: int = 53, base_bits: int = 4) -> int:
    """Compute the exponent that phe gives to 0.0.

    Args:
        mantissa_bits: bits of a float's mantissa.
        base_bits: base-2 logarithm of phe's base, 16.
    """
    return -(mantissa_bits // base_bits + 1)


def compute_exponents(values: np.ndarray, mantissa_bits: int = 53, base_bits: int = 4) -> np.ndarray:
    """Compute the public exponents that phe gives to floats, shape (n,), int64.

    The exponents depend only on the magnitudes, and are sent in the clear. So the leak can be computed without
    encryption.

    Args:
        values: floats to be encrypted, shape (n,).
        mantissa_bits: bits of a float's mantissa.
        base_bits: base-2 logarithm of phe's base, 16.
    """
    lowest = np.frexp(values)[1] - mantissa_bits
    exponents: np.ndarray = np.floor(lowest / base_bits).astype(np.int64)
    return exponents


def list_words(tokens: np.ndarray) -> np.ndarray:
    """Return the sorted numbers of the words in mails of shape (n, length), except padding and the unknown word."""
    occurs = np.zeros(int(tokens.max(initial=0)) + 1, bool)
    occurs[tokens] = True  # much faster than sorting
    occurs[:FIRST_WORD] = False
    return np.flatnonzero(occurs)


@dataclass(frozen=True)
class Leak:
    """Precision and recall of guessed words; undefined ones are None, for example if no word is guessed.

    Attributes:
        precision: share of the guessed words that are in the mails.
        recall: share of the mails' words that were guessed.
        rare_precision: share of the guessed rare words that are in the mails.
        rare_recall: share of the mails' rare words that were guessed.
    """

    precision: Metric | None
    recall: Metric | None
    rare_precision: Metric | None
    rare_recall: Metric | None


def measure_leak(guessed: np.ndarray, truth: np.ndarray, rare: np.ndarray) -> Leak:
    """Measure precision and recall of guessed words.

    Args:
        guessed: distinct word numbers that were guessed.
        truth: distinct word numbers of the mails.
        rare: distinct numbers of rare words.
    """
    precision, recall = _measure_shares(guessed, truth)
    return Leak(precision, recall, *_measure_shares(intersect(guessed, rare), intersect(truth, rare)))


def intersect(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the intersection of two arrays of distinct numbers, sorted."""
    return np.intersect1d(one, other, assume_unique=True)


def _measure_shares(guessed: np.ndarray, truth: np.ndarray) -> tuple[Metric | None, Metric | None]:
    hits = len(intersect(guessed, truth))
    return tuple(proportion(hits, len(x)) if len(x) else None for x in (guessed, truth))  # type: ignore[return-value]


def find_one_sided_words(tokens: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted numbers of the words that occur only in ham, and of those that occur only in spam.

    Args:
        tokens: word numbers of the mails, shape (n, length).
        labels: 0 for ham and 1 for spam, shape (n,).
    """
    ham, spam = list_words(tokens[labels == 0]), list_words(tokens[labels == 1])
    return np.setdiff1d(ham, spam, assume_unique=True), np.setdiff1d(spam, ham, assume_unique=True)


def label_recall(guessed: np.ndarray, ham: np.ndarray, spam: np.ndarray) -> Metric | None:
    """Compute the share of words with a correctly inferred label, among those that occur with one label only.

    Args:
        guessed: inferred label of each word as returned by `infer_labels`, shape (words,).
        ham: numbers of the words that occur only in ham.
        spam: numbers of the words that occur only in spam.
    """
    right = int((guessed[spam] == 1).sum() + (guessed[ham] == -1).sum())
    return proportion(right, total) if (total := len(ham) + len(spam)) else None


def count_recall(guessed: Mapping[int, int], tokens: np.ndarray) -> Metric | None:
    """Compute the share of the mails' words whose count was guessed exactly.

    Args:
        guessed: guessed count of each word, by its number.
        tokens: word numbers of the mails, shape (n, length).
    """
    words, counts = np.unique(tokens[tokens >= FIRST_WORD], return_counts=True)
    right = sum(guessed.get(int(word)) == count for word, count in zip(words, counts, strict=True))
    return proportion(right, len(words)) if len(words) else None


def net_count_recall(guessed: Mapping[int, int], tokens: np.ndarray, labels: np.ndarray) -> Metric | None:
    """Compute the share of the mails' words whose count in spam minus that in ham was guessed exactly.

    Args:
        guessed: guessed difference of the counts of each word, by its number.
        tokens: word numbers of the mails, shape (n, length).
        labels: 0 for ham and 1 for spam, shape (n,).
    """
    spam, ham = (tokens[labels == label] for label in (1, 0))
    words = list_words(tokens)
    size = int(tokens.max(initial=0)) + 1
    net = np.bincount(spam.ravel(), minlength=size) - np.bincount(ham.ravel(), minlength=size)
    right = sum(guessed.get(int(word)) == net[word] for word in words)
    return proportion(right, len(words)) if len(words) else None
