"""Tells whether the codes of a text repeat more often than independent random codes do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 1000
"""Number of positions from which repeats are judged: in shorter texts of many code books they are too few."""
_CLEAR = 6.0
"""Standard deviations by which a number of repeats must exceed its expectation."""


def may_be_solved(tokens: NDArray[np.integer]) -> bool:
    """Whether a search is worth its time: the text is short, or its tokens or runs of tokens repeat.

    A substitution cipher keeps the repeats of its text: 2,000 characters of English in 16 random code books exceed
    the expected number of equal pairs by more than 40 standard deviations. Codes of a stream cipher do not repeat more
    often than by chance, and no key can then be better than others.

    Args:
        tokens: Shape ``(length,)``; token of every position, ``0 .. T - 1``.
    """
    return len(tokens) < _LEAST or any(count_excess(tokens, width) > _CLEAR for width in (1, 2, 3))


def count_excess(tokens: NDArray[np.integer], width: int) -> float:
    """Count the pairs of positions at which equal runs of tokens begin, in standard deviations above chance.

    Args:
        tokens: Shape ``(length,)``; token of every position, ``0 .. T - 1``.
        width: Number of tokens of a run. Single tokens are compared with equally likely ones, longer runs with
            independent draws of these tokens.

    Returns:
        The number of equal pairs minus its expectation, divided by the standard deviation of a Poisson distribution.
    """
    shares = np.bincount(tokens) / len(tokens)
    equal = 1 / len(shares) if width == 1 else float((shares**2).sum()) ** width
    runs = np.lib.stride_tricks.sliding_window_view(tokens, width)
    _, counts = np.unique(runs, axis=0, return_counts=True)
    expected = len(runs) * (len(runs) - 1) / 2 * equal
    return float(((counts * (counts - 1)).sum() / 2 - expected) / np.sqrt(expected))
