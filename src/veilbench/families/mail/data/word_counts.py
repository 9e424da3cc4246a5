"""Mails as bags of words."""

from __future__ import annotations

import numpy as np


def word_counts(tokens: np.ndarray, size: int):  # type: ignore[no-untyped-def] # a scipy matrix, which has no stubs here
    """How often each word stands in each mail of shape (n, length): shape (n, size), sparse, float64."""
    from scipy.sparse import coo_matrix

    rows, columns = np.nonzero(tokens)
    ones = np.ones(len(rows), np.float64)
    return coo_matrix((ones, (rows, tokens[rows, columns])), (len(tokens), size)).tocsr()
