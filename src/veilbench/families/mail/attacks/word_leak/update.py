"""What a client's update reveals about the words of its mails.

An update changes exactly the embedding rows of the words in the client's mails: a word's gradient is the sum over mails
of (p - y) times the word's count, where p is the predicted probability and y the label. The functions here need only
the update, the weights that it started from, and the public settings of the training.

They require a filter with one weight per word, except `moved_words`, which supports wider embeddings too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.metrics.intervals import proportion

SHARES = ("precision", "recall", "rare_precision", "rare_recall")  # of a `Leak`


def moved_words(update: np.ndarray, above: float = 0.0) -> np.ndarray:
    """Return the sorted numbers of the words whose embedding row has changed.

    Args:
        update: weights after training minus weights before, shape (words,) or (words, dimension).
        above: magnitude that a value of the row must exceed; positive for noisy updates.
    """
    rows = np.abs(update.reshape(len(update), -1)).max(1)
    words = np.flatnonzero(rows > above)
    return words[words >= FIRST_WORD]


def leanings(update: np.ndarray) -> np.ndarray:
    """Infer the label of each word's mails, shape (words,): 1 for spam, -1 for ham, 0 for unchanged words.

    Gradient descent raises the weights of spam's words and lowers those of ham's. With momentum or many steps, the sum
    of the steps is visible, and a word that occurs with both labels has the sign of the dominant one.
    """
    signs: np.ndarray = np.sign(update).astype(np.int64)
    return signs


def counts_of_one_mail(update: np.ndarray, bias_update: float) -> tuple[dict[int, int], int]:
    """Recover all words of a mail with their counts, and its label, from one step of plain SGD on this mail.

    The bias changes by -rate * (p - y), and a word's weight by the same times its count, so their ratio is the count,
    whatever the learning rate, the weights and the prediction are.

    Args:
        update: update of the words' weights, shape (words,).
        bias_update: update of the bias.

    Returns:
        The count of each word, by its number, and the label: 0 for ham, 1 for spam.

    Raises:
        ValueError: the bias is unchanged, or a ratio is not an integer: it was not one mail and one step.
    """
    if not bias_update:
        raise ValueError("the bias has not moved: nothing can be solved")
    words = moved_words(update)
    ratios = update[words] / bias_update
    counts = np.rint(ratios).astype(np.int64)
    if (counts < 1).any() or (np.abs(ratios - counts) > 0.01 * counts).any():
        raise ValueError(
            "the update is not that of one mail and one step: its ratios to the bias are not whole numbers"
        )
    return dict(zip(words.tolist(), counts.tolist(), strict=True)), int(bias_update > 0)


def net_counts(update: np.ndarray, learning_rate: float, mails: int) -> dict[int, int]:
    """Recover each word's count in spam minus that in ham, from one full-batch step of plain SGD from zero weights.

    With zero weights every prediction is one half, and the step is rate / (2 * mails) times the difference of the
    counts. A word that is equally frequent in both is missed, or recovered as 0 if rounding errors remain.

    From other weights, a word's step is the sum of its counts, each times its mail's p - y, and p is known only with
    the mails. With one unknown factor per mail, this module solves no more than one mail, in `counts_of_one_mail`. It
    has not been shown to be impossible: words of a single mail change by integer multiples of one number.

    Args:
        update: update of the words' weights, shape (words,).
        learning_rate: learning rate of the step; public.
        mails: number of mails in the batch; public, since it determines the client's weight.

    Returns:
        The difference of the counts of each word, by its number.

    Raises:
        ValueError: a difference is not an integer: it was not such a step.
    """
    words = moved_words(update)
    differences = update[words] * 2 * mails / learning_rate
    whole = np.rint(differences).astype(np.int64)
    if (np.abs(differences - whole) > 0.1).any():
        raise ValueError("the update is not that of one step from zero weights: its differences are not whole numbers")
    return dict(zip(words.tolist(), whole.tolist(), strict=True))


def zero_exponent(mantissa_bits: int = 53, base_bits: int = 4) -> int:
    """Return phe's exponent of 0.0: that of the last bit of a float's mantissa, in base 16, rounded down."""
    return -(mantissa_bits // base_bits + 1)


def phe_exponents(values: np.ndarray, mantissa_bits: int = 53, base_bits: int = 4) -> np.ndarray:
    """Return phe's public exponents of floats, shape (n,); they depend only on the magnitudes.

    An encrypted number carries its exponent in the clear, so the leak can be computed without encryption.
    """
    lowest = np.frexp(values)[1] - mantissa_bits
    exponents: np.ndarray = np.floor(lowest / base_bits).astype(np.int64)
    return exponents


def words_in(tokens: np.ndarray) -> np.ndarray:
    """Return the sorted numbers of the words in mails of shape (n, length), except padding and the unknown word."""
    there = np.zeros(int(tokens.max(initial=0)) + 1, bool)
    there[tokens] = True  # much faster than sorting
    there[:FIRST_WORD] = False
    return np.flatnonzero(there)


@dataclass(frozen=True)
class Leak:
    """Precision and recall of guessed words. Undefined shares (no guessed word, no rare word) are None.

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


def leak(guessed: np.ndarray, truth: np.ndarray, rare: np.ndarray) -> Leak:
    """Compare guessed words with the true ones.

    Args:
        guessed: distinct word numbers that were guessed.
        truth: distinct word numbers of the mails.
        rare: distinct word numbers to which a rare word is mapped.
    """
    precision, recall = _shares(guessed, truth)
    return Leak(precision, recall, *_shares(common(guessed, rare), common(truth, rare)))


def common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the intersection of two arrays of distinct numbers, sorted."""
    return np.intersect1d(one, other, assume_unique=True)


def _shares(guessed: np.ndarray, truth: np.ndarray) -> tuple[Metric | None, Metric | None]:
    hits = len(common(guessed, truth))
    return tuple(proportion(hits, len(of)) if len(of) else None for of in (guessed, truth))  # type: ignore[return-value]


def one_sided(tokens: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the words that occur only in ham, and only in spam, of mails of shape (n, length)."""
    ham, spam = words_in(tokens[labels == 0]), words_in(tokens[labels == 1])
    return np.setdiff1d(ham, spam, assume_unique=True), np.setdiff1d(spam, ham, assume_unique=True)


def label_recall(guessed: np.ndarray, ham: np.ndarray, spam: np.ndarray) -> Metric | None:
    """Return the share of words whose inferred label is correct, among those that occur with one label only.

    Args:
        guessed: inferred label of each word as returned by `leanings`, shape (words,).
        ham: numbers of the words that occur only in ham.
        spam: numbers of the words that occur only in spam.
    """
    right = int((guessed[spam] == 1).sum() + (guessed[ham] == -1).sum())
    return proportion(right, total) if (total := len(ham) + len(spam)) else None


def count_recall(guessed: Mapping[int, int], tokens: np.ndarray) -> Metric | None:
    """Return the share of the mails' words whose exact count was guessed."""
    words, counts = np.unique(tokens[tokens >= FIRST_WORD], return_counts=True)
    right = sum(guessed.get(int(word)) == count for word, count in zip(words, counts, strict=True))
    return proportion(right, len(words)) if len(words) else None


def net_count_recall(guessed: Mapping[int, int], tokens: np.ndarray, labels: np.ndarray) -> Metric | None:
    """Return the share of the mails' words whose exact count in spam minus that in ham was guessed."""
    spam, ham = (tokens[labels == label] for label in (1, 0))
    words = words_in(tokens)
    size = int(tokens.max(initial=0)) + 1
    net = np.bincount(spam.ravel(), minlength=size) - np.bincount(ham.ravel(), minlength=size)
    right = sum(guessed.get(int(word)) == net[word] for word in words)
    return proportion(right, len(words)) if len(words) else None
