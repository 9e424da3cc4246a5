"""Character n-gram language model with interpolated Kneser-Ney smoothing.

The model is the modified, interpolated Kneser-Ney estimate of Chen and Goodman, "An Empirical Study of
Smoothing Techniques for Language Modeling" (1999, section 3): the highest order uses raw counts, every lower
order the number of distinct predecessors, and three discounts depend on the count.  The recursion ends in the
uniform distribution, so every symbol has positive probability in every context.

Orders up to three are dense tables; longer n-grams sit in one open-addressing hash table, because only a tiny
share of the ``91**5`` cells ever occurs.  Both forms are plain arrays that a compiled search can read directly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_ORDER = 8
"""Longest n-gram; ``2 * 91**8`` still fits the 63 bits of a hash key."""
UNSEEN = np.float32(1.0)
"""Marks a context that never occurred; genuine back-off weights are logarithms of numbers below one."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_DENSE = 3

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Keys = NDArray[np.uint64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class NGramModel:
    """Conditional log-probabilities (natural logarithm) of symbols ``0 .. alphabet_size - 1``.

    Attributes:
        order: Length of the longest n-gram used; a symbol is predicted from ``order - 1`` predecessors.
        alphabet_size: Number of symbols ``A``.
        unigram: Shape ``(A,)``; log-probability without context.
        bigram: Shape ``(A, A)``; log-probability of the last index given the first.
        trigram: Shape ``(A, A, A)``; log-probability of the last index given the two before.
        backoff: Shape ``(A, A, A)``; log back-off weight of a three-symbol context, ``UNSEEN`` if it never occurred.
        keys: Shape ``(2**b,)``; hash table of n-grams of order four and up, 0 where empty.  The key of an n-gram is
            its base-``A`` number with a leading digit 1, so that orders cannot collide.
        values: Shape ``(2**b, 2)``; log-probability and log back-off weight of the n-gram in the same slot.
    """

    order: int
    alphabet_size: int
    unigram: Floats
    bigram: Floats
    trigram: Floats
    backoff: Floats
    keys: Keys
    values: Floats

    @classmethod
    def fit(cls, symbols: NDArray[np.uint8], order: int, alphabet_size: int = 91) -> NGramModel:
        """Estimate the model from one text.

        The text is read as a ring, so that every n-gram has a predecessor and a successor; this closes the set of
        contexts at the price of a handful of n-grams that straddle the two ends.

        Args:
            symbols: Shape ``(length,)``; values below ``alphabet_size``; at least ``order`` of them.
            order: Longest n-gram, ``1 .. 8``.
            alphabet_size: Number of symbols, ``2 .. 128``.

        Returns:
            The fitted model; its arrays are read-only.

        Raises:
            ValueError: If an argument lies outside the ranges above.
        """
        _check(symbols, order, alphabet_size)
        levels = _levels(symbols, max(order, _DENSE), order, alphabet_size)
        tables, previous = _dense_tables(levels, alphabet_size)
        backoff = np.full(alphabet_size**_DENSE, UNSEEN, dtype=np.float32)
        entries: list[tuple[Keys, Reals]] = []
        for width in range(_DENSE + 1, order + 1):
            previous = _extend(levels[width - 1], width, alphabet_size, previous, backoff, entries)
        keys, values = _hash_table(entries)
        shapes = [(alphabet_size,) * width for width in (1, 2, 3)]
        dense = [np.log(table).astype(np.float32).reshape(shape) for table, shape in zip(tables, shapes, strict=True)]
        arrays = (*dense, backoff.reshape(shapes[-1]), keys, values)
        for array in arrays:
            array.setflags(write=False)
        return cls(order, alphabet_size, *arrays)

    def log_probabilities(self, symbols: NDArray[np.uint8]) -> Reals:
        """Score every symbol of a text given its predecessors (fewer than ``order - 1`` near the start).

        Args:
            symbols: Shape ``(length,)``; values below ``alphabet_size``.

        Returns:
            Shape ``(length,)``; natural logarithms, in nats.

        Raises:
            ValueError: If a symbol is not below ``alphabet_size`` or the array is not one-dimensional.
        """
        _check(symbols, 1, self.alphabet_size, least=0)
        text, size = symbols.astype(np.int64), self.alphabet_size
        result = np.empty(len(text))
        result[:1] = self.unigram[text[:1]]
        result[1:2] = self.bigram[text[:-1], text[1:]][:1]
        result[2:] = self.trigram[text[:-2], text[1:-1], text[2:]]
        for width in range(_DENSE + 1, self.order + 1):
            grams = windows(text, width, size)
            scores, found = self._values(grams, width, 0)
            weights, known = self._weights(grams // size, width - 1)
            tail = result[width - 1 :]
            tail[:] = np.where(found, scores, np.where(known, tail + weights, tail))
        return result

    def distribution(self, context: NDArray[np.uint8]) -> Reals:
        """Return the probability of every next symbol.

        Args:
            context: Shape ``(n,)``; the symbols before; only the last ``order - 1`` count.

        Returns:
            Shape ``(alphabet_size,)``; probabilities that sum to one.

        Raises:
            ValueError: If a symbol is not below ``alphabet_size`` or the array is not one-dimensional.
        """
        _check(context, 1, self.alphabet_size, least=0)
        recent = context[max(0, len(context) - self.order + 1) :]
        nexts = np.arange(self.alphabet_size, dtype=np.uint8)
        return np.array([np.exp(self.log_probabilities(np.append(recent, symbol))[-1]) for symbol in nexts])

    def _weights(self, contexts: Integers, width: int) -> tuple[Reals, NDArray[np.bool_]]:
        if width > _DENSE:
            return self._values(contexts, width, 1)
        weights = self.backoff.ravel()[contexts]
        return weights.astype(np.float64), weights != UNSEEN

    def _values(self, grams: Integers, width: int, column: int) -> tuple[Reals, NDArray[np.bool_]]:
        slots, found = _find(self.keys, (grams + self.alphabet_size**width).astype(np.uint64))
        return self.values[slots, column].astype(np.float64), found


def windows(text: Integers, width: int, alphabet_size: int) -> Integers:
    """Number all windows of a text in base ``alphabet_size``; shape ``(max(0, length - width + 1),)``."""
    count = max(0, len(text) - width + 1)
    result = np.zeros(count, dtype=np.int64)
    for offset in range(width):
        result = result * alphabet_size + text[offset : offset + count]
    return result


def _check(symbols: NDArray[np.uint8], order: int, alphabet_size: int, least: int | None = None) -> None:
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order is {order}; allowed are 1 to {MAX_ORDER}")
    if not 2 <= alphabet_size <= 128:
        raise ValueError(f"alphabet_size is {alphabet_size}; allowed are 2 to 128")
    least = order if least is None else least
    if symbols.ndim != 1 or len(symbols) < least:
        raise ValueError(f"symbols have shape {symbols.shape}; allowed is one axis of at least {least}")
    if len(symbols) and not 0 <= int(symbols.min()) <= int(symbols.max()) < alphabet_size:
        raise ValueError(f"symbols reach {symbols.min()} to {symbols.max()}; allowed are 0 to {alphabet_size - 1}")


def _levels(
    symbols: NDArray[np.uint8], top: int, order: int, alphabet_size: int
) -> list[tuple[Integers, Integers]]:
    """List, for widths 1 to ``top``, the distinct n-grams and their counts (none above ``order``)."""
    ring = np.concatenate([symbols, symbols[: order - 1]]).astype(np.int64)
    none = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    levels = [none] * (top - order)
    grams, counts = np.unique(windows(ring, order, alphabet_size), return_counts=True)
    levels.insert(0, (grams, counts))
    for width in range(order - 1, 0, -1):
        # Each distinct longer n-gram counts once: this is the number of distinct predecessors.
        grams, counts = np.unique(grams % alphabet_size**width, return_counts=True)
        levels.insert(0, (grams, counts))
    return levels


def _discounts(counts: Integers) -> Reals:
    """Return the discounts of counts 0, 1, 2 and 3-or-more (Chen and Goodman 1999, section 3, equation 17)."""
    n1, n2, n3, n4 = (max(1, int((counts == c).sum())) for c in (1, 2, 3, 4))
    ratio = n1 / (n1 + 2 * n2)
    raw = np.array([0.0, 1 - 2 * ratio * n2 / n1, 2 - 3 * ratio * n3 / n2, 3 - 4 * ratio * n4 / n3])
    # Tiny samples give discounts outside (0, count), which would break the sum or leave no mass to the lower order.
    return np.clip(raw, [0.0, 0.1, 0.1, 0.1], [0.0, 0.9, 1.8, 2.7])


def _seen_shares(level: tuple[Integers, Integers], alphabet_size: int) -> tuple[Reals, Integers, Reals]:
    """Return the discounted share of each n-gram, the distinct contexts, and the mass each passes down."""
    grams, counts = level
    discount = _discounts(counts)[np.minimum(counts, 3)]
    contexts, index = np.unique(grams // alphabet_size, return_inverse=True)
    totals = np.bincount(index, weights=counts)
    weights = np.bincount(index, weights=discount) / totals
    return (counts - discount) / totals[index], contexts, weights


def _dense_tables(
    levels: list[tuple[Integers, Integers]], size: int
) -> tuple[list[Reals], tuple[Integers, Reals]]:
    """Return probability tables of widths 1 to 3, flat, and the seen trigrams with their probabilities."""
    tables: list[Reals] = []
    lower = np.full(size, 1.0 / size)
    for width in range(1, _DENSE + 1):
        grams = levels[width - 1][0]
        shares, contexts, passed = _seen_shares(levels[width - 1], size)
        weights = np.ones(size ** (width - 1))
        weights[contexts] = passed
        # The lower table does not look at the first symbol, hence one copy of it for each.
        table = np.repeat(weights, size) * (lower if width == 1 else np.tile(lower, size))
        table[grams] += shares
        tables.append(table)
        lower = table
    return tables, (levels[_DENSE - 1][0], lower[levels[_DENSE - 1][0]])


def _extend(
    level: tuple[Integers, Integers],
    width: int,
    size: int,
    previous: tuple[Integers, Reals],
    backoff: Floats,
    entries: list[tuple[Keys, Reals]],
) -> tuple[Integers, Reals]:
    """Add one order to ``entries`` and the weights of its contexts to the order below."""
    grams = level[0]
    shares, contexts, passed = _seen_shares(level, size)
    if width == _DENSE + 1:
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


def _home(keys: Keys, slots: int) -> Integers:
    shift = np.uint64(64 - (slots.bit_length() - 1))
    return ((keys * _MULTIPLIER) >> shift).astype(np.int64)


def _hash_table(entries: list[tuple[Keys, Reals]]) -> tuple[Keys, Floats]:
    """Store all n-grams by linear probing at a load of at most one half."""
    names = np.concatenate([keys for keys, _ in entries]) if entries else np.zeros(0, dtype=np.uint64)
    slots = 1 << max(4, (2 * len(names)).bit_length())
    keys, values = np.zeros(slots, dtype=np.uint64), np.zeros((slots, 2), dtype=np.float32)
    place, pending = _home(names, slots), np.arange(len(names))
    while len(pending):
        here = place[pending]
        empty = keys[here] == 0
        keys[here[empty]] = names[pending[empty]]
        place[pending] = (here + 1) & (slots - 1)
        settled = keys[here] == names[pending]
        place[pending[settled]] = here[settled]
        pending = pending[~settled]
    if entries:
        values[place] = np.concatenate([pairs for _, pairs in entries])
    return keys, values


def _find(keys: Keys, wanted: Keys) -> tuple[Integers, NDArray[np.bool_]]:
    """Look up many keys; returns the slot of each and whether it is there."""
    slots = _home(wanted, len(keys))
    pending = np.arange(len(wanted))
    while len(pending):
        here = keys[slots[pending]]
        pending = pending[(here != wanted[pending]) & (here != 0)]
        slots[pending] = (slots[pending] + 1) & (len(keys) - 1)
    return slots, keys[slots] == wanted
