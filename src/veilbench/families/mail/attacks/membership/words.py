"""Membership by words: a word of a training mail moved in training, and a word that did not was in no training mail."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.families.mail.data.vocabulary import PAD
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.schemes.spam_scorer import SpamScorer

UNMOVED = 1_000.0  # what one word that did not move weighs against words that did


def query_words(target: SpamScorer, tokens: np.ndarray, size: int) -> np.ndarray:
    """Return which words move a filter's score, shape (size,), bool: one query for each word, and an empty one.

    Args:
        target: filter whose scores are queried.
        tokens: word numbers of the mails in question, shape (n, length); only their words are queried.
        size: number of word numbers, including padding.
    """
    words, moved = np.unique(tokens[tokens != PAD]), np.zeros(size, bool)
    queries = np.full((len(words) + 1, tokens.shape[1]), PAD, tokens.dtype)
    queries[1:, 0] = words
    logits = target.logits(queries)
    moved[words] = logits[1:] != logits[0]
    return moved


def score_words(tokens: np.ndarray, moved: np.ndarray, known: np.ndarray, mails: int) -> np.ndarray:
    """Score mails by which of their words moved, shape (n,); higher for members.

    A word that did not move shows that the mail was not used for training. A word that moved suggests that it was, more
    so if the word is rare: it counts as minus the logarithm of the probability that another training mail
    moved it. The share of mails with the word is estimated from mails that the attacker has.

    Args:
        tokens: word numbers of the mails in question, shape (n, length), 0 for padding.
        moved: whether each word moved, shape (words,), bool.
        known: word numbers of other mails that the attacker has, shape (m, length).
        mails: number of training mails.
    """
    shares = (count_mails(known, len(moved)) + 0.5) / (len(known) + 1)
    chance = -np.expm1(mails * np.log1p(-shares))  # that at least one of the training mails has the word
    return np.asarray(_presence(tokens, len(moved)) @ np.where(moved, -np.log(chance), -UNMOVED))


def count_mails(tokens: np.ndarray, size: int) -> np.ndarray:
    """Return in how many mails each word occurs, shape (size,)."""
    return np.asarray(_presence(tokens, size).sum(0)).ravel()


def _presence(tokens: np.ndarray, size: int) -> Any:
    """Return a sparse matrix of ones where a mail has a word, shape (n, size)."""
    present = word_counts(tokens, size)
    present.data[:] = 1
    return present
