"""Malicious updates of poisoned clients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilbench.families.mail.attacks.word_leak.cases import Case

Honest = Callable[[Case], np.ndarray]  # computes a client's update from its mails


def flipped(case: Case, honest: Honest) -> np.ndarray:
    """Return the update that a client learns from its mails with flipped labels."""
    return honest(Case(case.tokens, 1 - case.labels))


def backdoored(
    case: Case, honest: Honest, persistent: Honest, trigger: np.ndarray, rows: np.ndarray, boost: float
) -> np.ndarray:
    """Return an honest update, except for the trigger's rows, which classify spam with the trigger as ham.

    This is model replacement (Bagdasaryan et al. 2020) of rows that no other client changes: the trigger's rows are
    scaled so that they outweigh the other clients' zeros in the mean.

    Args:
        case: mails of the malicious client.
        honest: computes an update by ordinary local training.
        persistent: computes an update by local training for more epochs.
        trigger: word numbers of the trigger, shape (words,).
        rows: indices of the trigger's rows in a flat update, shape (words * dimension,).
        boost: factor by which the trigger's rows are scaled.
    """
    spam = with_words(case.tokens[case.labels == 1], trigger)
    poisoned = Case(spam, np.zeros(len(spam), case.labels.dtype)) if len(spam) else case
    update = honest(case)
    update[rows] = boost * persistent(poisoned)[rows]
    return update


def with_words(tokens: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Prepend words to mails of shape (n, length); words beyond this length are cut off at the end."""
    front = np.broadcast_to(words.astype(tokens.dtype), (len(tokens), len(words)))
    return np.concatenate([front, tokens], 1)[:, : tokens.shape[1]]
