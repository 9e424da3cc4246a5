"""Counts and discounts of modified interpolated Kneser-Ney smoothing, one n-gram order at a time.

See Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling" (1998, technical report
TR-10-98 of Harvard University, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks.ngram_table import Floats, Integers, Keys, Reals

DENSE = 3
"""Orders up to this one are kept as full tables."""
UNSEEN = np.float32(1.0)
"""Value in place of the back-off weight of a context that never occurred; real weights are logarithms, below 0."""


def number_windows(text: Integers, width: int, alphabet_size: int) -> Integers:
    """Convert all n-grams of length ``width`` in a text to numbers in base ``alphabet_size``.

    Returns:
        Shape ``(max(0, length - width + 1),)``.
    """
    count = max(0, len(text) - width + 1)
    result = np.zeros(count, dtype=np.int64)
    for offset in range(width):
        result = result * alphabet_size + text[offset : offset + count]
    return result


def count_ngrams(
    symbols: NDArray[np.uint8], top: int, order: int, alphabet_size: int
) -> list[tuple[Integers, Integers]]:
    """Count the n-grams of a text.

    The longest n-grams are counted as they occur. A shorter one counts the distinct symbols that precede it.

    Args:
        symbols: Shape ``(length,)``; the text, which is read as a ring.
        top: Number of levels to return, at least ``order``.
        order: Length of the longest n-gram; longer levels are empty.
        alphabet_size: number of symbols of the alphabet.

    Returns:
        For each length from 1 to ``top``, the distinct n-grams, sorted, and their counts.
    """
    ring = np.concatenate([symbols, symbols[: order - 1]]).astype(np.int64)
    empty = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    levels = [empty] * (top - order)
    grams, counts = np.unique(number_windows(ring, order, alphabet_size), return_counts=True)
    levels.insert(0, (grams, counts))
    for width in range(order - 1, 0, -1):
        # Each distinct longer n-gram counts once, which gives the number of distinct predecessors.
        grams, counts = np.unique(grams % alphabet_size**width, return_counts=True)
        levels.insert(0, (grams, counts))
    return levels


def _estimate_discounts(counts: Integers) -> Reals:
    """Return the discounts of counts 0, 1, 2 and 3-or-more (Chen and Goodman 1998, section 3)."""
    n1, n2, n3, n4 = (max(1, int((counts == c).sum())) for c in (1, 2, 3, 4))
    ratio = n1 / (n1 + 2 * n2)
    raw = np.array([0.0, 1 - 2 * ratio * n2 / n1, 2 - 3 * ratio * n3 / n2, 3 - 4 * ratio * n4 / n3])
    # Tiny samples give discounts outside (0, count), which would leave no mass to one of the orders.
    clipped: Reals = np.clip(raw, [0.0, 0.1, 0.1, 0.1], [0.0, 0.9, 1.8, 2.7])
    return clipped


def _discount_counts(level: tuple[Integers, Integers], alphabet_size: int) -> tuple[Reals, Integers, Reals]:
    """Return the discounted probability of each n-gram, the distinct contexts, and the back-off mass of each."""
    grams, counts = level
    discount = _estimate_discounts(counts)[np.minimum(counts, 3)]
    contexts, index = np.unique(grams // alphabet_size, return_inverse=True)
    totals = np.bincount(index, weights=counts)
    weights = np.bincount(index, weights=discount) / totals
    return (counts - discount) / totals[index], contexts, weights


def build_dense_tables(
    levels: list[tuple[Integers, Integers]], size: int
) -> tuple[list[Reals], tuple[Integers, Reals]]:
    """Compute the probability tables of n-grams of length 1 to 3.

    Args:
        levels: N-grams and counts as returned by ``count_ngrams``.
        size: number of symbols of the alphabet.

    Returns:
        For each length ``n`` a flat table of shape ``(size**n,)``; the trigrams that occur, with their probabilities.
    """
    tables: list[Reals] = []
    lower = np.full(size, 1.0 / size)
    for width in range(1, DENSE + 1):
        grams = levels[width - 1][0]
        shares, contexts, passed = _discount_counts(levels[width - 1], size)
        weights = np.ones(size ** (width - 1))
        weights[contexts] = passed
        # The lower order ignores the first symbol, so its table is repeated for each.
        table = np.repeat(weights, size) * (lower if width == 1 else np.tile(lower, size))
        table[grams] += shares
        tables.append(table)
        lower = table
    return tables, (levels[DENSE - 1][0], lower[levels[DENSE - 1][0]])


def add_order(
    level: tuple[Integers, Integers],
    width: int,
    size: int,
    previous: tuple[Integers, Reals],
    backoff: Floats,
    entries: list[tuple[Keys, Reals]],
) -> tuple[Integers, Reals]:
    """Append the n-grams of one order to ``entries``, and set the back-off weights of their contexts in place.

    Args:
        level: Distinct n-grams of this order and their counts.
        width: Length of the n-grams, at least 4.
        size: number of symbols of the alphabet.
        previous: N-grams of the order below and their probabilities.
        backoff: Shape ``(size**3,)``; back-off weights of trigram contexts.
        entries: Keys and values of each order above 3 so far, for ``build_hash_table``.

    Returns:
        The n-grams of this order and their probabilities.
    """
    grams = level[0]
    shares, contexts, passed = _discount_counts(level, size)
    if width == DENSE + 1:
        backoff[contexts] = np.log(passed)
    else:
        # The ring makes contexts and stored n-grams of the order below the same sorted list.
        entries[-1][1][:, 1] = np.log(passed)
    lower = previous[1][np.searchsorted(previous[0], grams % size ** (width - 1))]
    weights = passed[np.searchsorted(contexts, grams // size)]
    probabilities = shares + weights * lower
    pair = np.stack([np.log(probabilities), np.full(len(grams), float(UNSEEN))], axis=1)
    entries.append(((grams + size**width).astype(np.uint64), pair))
    return grams, probabilities
