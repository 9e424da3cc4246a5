"""Bag-of-words representation of mails."""

from __future__ import annotations

import numpy as np


def word_counts(tokens: np.ndarray, size: int):  # type: ignore[no-untyped-def] # a scipy matrix, which has no stubs here
    """Count each word in each mail.

    Args:
        tokens: word numbers of the mails, shape (n, length), 0 for padding.
        size: number of word numbers, including padding and the unknown word.

    Returns:
        A sparse matrix of shape (n, size), float64; padding is not counted.
    """
    from scipy.sparse import coo_matrix

    rows, columns = np.nonzero(tokens)
    ones = np.ones(len(rows), np.float64)
    return coo_matrix((ones, (rows, tokens[rows, columns])), (len(tokens), size)).tocsr()
