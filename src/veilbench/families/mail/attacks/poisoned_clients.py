"""Clients that send what harms the common filter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilbench.families.mail.attacks.word_leak.cases import Case

Honest = Callable[[Case], np.ndarray]  # a client's update from its mails


def flipped(case: Case, honest: Honest) -> np.ndarray:
    """What is learned from the client's mails with every label turned round."""
    return honest(Case(case.tokens, 1 - case.labels))


def backdoored(
    case: Case, honest: Honest, persistent: Honest, trigger: np.ndarray, rows: np.ndarray, boost: float
) -> np.ndarray:
    """An honest update but for the trigger's rows, which call spam with the trigger ham, enlarged.

    Model replacement (Bagdasaryan et al. 2020) where nobody else learns: the trigger's rows are multiplied so that
    they outweigh the zeros of the others in the mean.

    Args:
        case: the client's mails.
        honest: what a client learns.
        persistent: what it learns in many epochs.
        trigger: words' numbers, shape (words,).
        rows: the places of the trigger's rows in a flat update.
        boost: the factor.
    """
    spam = with_words(case.tokens[case.labels == 1], trigger)
    poisoned = Case(spam, np.zeros(len(spam), case.labels.dtype)) if len(spam) else case
    update = honest(case)
    update[rows] = boost * persistent(poisoned)[rows]
    return update


def with_words(tokens: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Mails of shape (n, length) that begin with these words; what no longer fits is cut off."""
    front = np.broadcast_to(words.astype(tokens.dtype), (len(tokens), len(words)))
    return np.concatenate([front, tokens], 1)[:, : tokens.shape[1]]
