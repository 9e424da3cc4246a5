"""What a client's update tells about its mails, word by word.

An update moves the embedding's rows of the words that stand in the client's mails, and no others: a word's gradient is
the sum over mails of (p - y) times the word's count, with p the predicted probability and y the label. Nothing here
needs more than the update, the weights that it began from, and the public settings of the training.

Works on the filter with one weight per word; from wider embeddings `moved_words` alone reads.
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
    """Numbers of the words whose row of the embedding has moved, sorted.

    Args:
        update: shape (words,) or (words, dimension): weights after less weights before.
        above: a row counts as moved where a value of it is larger than this; for noisy updates.
    """
    rows = np.abs(update.reshape(len(update), -1)).max(1)
    words = np.flatnonzero(rows > above)
    return words[words >= FIRST_WORD]


def leanings(update: np.ndarray) -> np.ndarray:
    """Which label a word stands with, shape (words,): 1 spam, -1 ham, 0 not moved.

    Descent raises the weights of spam's words and lowers those of ham's. With momentum or many steps it is the sum of
    the steps that shows, and a word of both labels goes with the one that won.
    """
    made: np.ndarray = np.sign(update).astype(np.int64)
    return made


def counts_of_one_mail(update: np.ndarray, bias_update: float) -> tuple[dict[int, int], int]:
    """Every word of the one mail behind one step of plain SGD, with its count, and the mail's label.

    The bias moves by -rate * (p - y), a word's weight by the same times its count, so that their ratio is the count
    whatever the rate, the weights and the prediction were.

    Args:
        update: of the words' weights, shape (words,).
        bias_update: of the bias.

    Raises:
        ValueError: the bias has not moved, or a ratio is not a whole number: it was not one mail and one step.
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
    """How much oftener a word stands in spam than in ham, after one step of plain SGD from zero weights on all mails.

    From zero weights every prediction is one half, and the step is rate / (2 * mails) times the difference of the
    counts. A word that is as frequent in both is missed, or found with 0 where rounding has left something of it.

    From other weights a word's step is the sum of its counts, each times its mail's p - y, and p is known to who has
    the mails: with as many unknown factors as mails, nothing is solved here beyond one mail, see `counts_of_one_mail`.
    It is not shown to be impossible: words of one mail alone move by whole multiples of one number.

    Args:
        update: of the words' weights, shape (words,).
        learning_rate: of the step; public.
        mails: in the batch; public, for it is the client's weight.

    Raises:
        ValueError: a difference is not a whole number: it was not such a step.
    """
    words = moved_words(update)
    differences = update[words] * 2 * mails / learning_rate
    whole = np.rint(differences).astype(np.int64)
    if (np.abs(differences - whole) > 0.1).any():
        raise ValueError("the update is not that of one step from zero weights: its differences are not whole numbers")
    return dict(zip(words.tolist(), whole.tolist(), strict=True))


def words_by_exponent(exponents: np.ndarray, zero: int | None = None) -> np.ndarray:
    """Numbers of the words that a client has used, from the public exponents of its Paillier ciphertexts alone.

    phe encodes a float with an exponent that falls with the float's magnitude, and zero with a fixed one. What is
    not moved is exactly zero. Values between 1/16 and 1 in magnitude share zero's exponent, and are missed.

    Args:
        exponents: shape (words,), of the embedding's ciphertexts.
        zero: the exponent of zero; None asks phe's rule.
    """
    words = np.flatnonzero(exponents != (zero_exponent() if zero is None else zero))
    return words[words >= FIRST_WORD]


def zero_exponent(mantissa_bits: int = 53, base_bits: int = 4) -> int:
    """The exponent that phe gives to 0.0: that of the last bit of a float's mantissa, in base 16, rounded down."""
    return -(mantissa_bits // base_bits + 1)


def phe_exponents(values: np.ndarray, mantissa_bits: int = 53, base_bits: int = 4) -> np.ndarray:
    """The public exponents that phe gives to floats, shape (n,): from each one's magnitude, and from nothing secret.

    An encrypted number carries this exponent in the clear, so that what it tells is known without encrypting.
    """
    lowest = np.frexp(values)[1] - mantissa_bits
    made: np.ndarray = np.floor(lowest / base_bits).astype(np.int64)
    return made


def words_in(tokens: np.ndarray) -> np.ndarray:
    """The truth: numbers of the words in mails of shape (n, length), sorted, padding and the unknown word left out."""
    there = np.zeros(int(tokens.max(initial=0)) + 1, bool)
    there[tokens] = True  # many times faster than sorting
    there[:FIRST_WORD] = False
    return np.flatnonzero(there)


@dataclass(frozen=True)
class Leak:
    """How well words were guessed. Shares without a case (no word guessed, no rare word there) are None.

    Attributes:
        precision: of the guessed words, those that are in the mails.
        recall: of the mails' words, those that were guessed.
        rare_precision: of the guessed rare words, those that are in the mails.
        rare_recall: of the mails' rare words, those that were guessed.
    """

    precision: Metric | None
    recall: Metric | None
    rare_precision: Metric | None
    rare_recall: Metric | None


def leak(guessed: np.ndarray, truth: np.ndarray, rare: np.ndarray) -> Leak:
    """Compare guessed words with the true ones.

    Args:
        guessed: numbers, each once.
        truth: the same.
        rare: the numbers that a rare word falls on, each once.
    """
    precision, recall = _shares(guessed, truth)
    return Leak(precision, recall, *_shares(common(guessed, rare), common(truth, rare)))


def common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What is in both, each of which has everything once."""
    return np.intersect1d(one, other, assume_unique=True)


def _shares(guessed: np.ndarray, truth: np.ndarray) -> tuple[Metric | None, Metric | None]:
    hits = len(common(guessed, truth))
    return tuple(proportion(hits, len(of)) if len(of) else None for of in (guessed, truth))  # type: ignore[return-value]


def one_sided(tokens: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the words that stand in ham alone, and in spam alone, of mails of shape (n, length)."""
    ham, spam = words_in(tokens[labels == 0]), words_in(tokens[labels == 1])
    return np.setdiff1d(ham, spam, assume_unique=True), np.setdiff1d(spam, ham, assume_unique=True)


def label_recall(guessed: np.ndarray, ham: np.ndarray, spam: np.ndarray) -> Metric | None:
    """Of the words that stand in mails of one label only, those whose leaning says which.

    Args:
        guessed: from `leanings`, shape (words,).
        ham: from `one_sided`.
        spam: the same.
    """
    right = int((guessed[spam] == 1).sum() + (guessed[ham] == -1).sum())
    return proportion(right, total) if (total := len(ham) + len(spam)) else None


def count_recall(guessed: Mapping[int, int], tokens: np.ndarray) -> Metric | None:
    """Of the words in the mails, those that were guessed with their exact count."""
    words, counts = np.unique(tokens[tokens >= FIRST_WORD], return_counts=True)
    right = sum(guessed.get(int(word)) == count for word, count in zip(words, counts, strict=True))
    return proportion(right, len(words)) if len(words) else None


def net_count_recall(guessed: Mapping[int, int], tokens: np.ndarray, labels: np.ndarray) -> Metric | None:
    """Of the words in the mails, those that were guessed with their exact count in spam less that in ham."""
    spam, ham = (tokens[labels == label] for label in (1, 0))
    words = words_in(tokens)
    size = int(tokens.max(initial=0)) + 1
    net = np.bincount(spam.ravel(), minlength=size) - np.bincount(ham.ravel(), minlength=size)
    right = sum(guessed.get(int(word)) == net[word] for word in words)
    return proportion(right, len(words)) if len(words) else None
