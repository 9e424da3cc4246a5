"""Character n-gram language model with interpolated Kneser-Ney smoothing.

The model is the modified, interpolated Kneser-Ney estimate of Chen and Goodman, "An Empirical Study of
Smoothing Techniques for Language Modeling" (1998, technical report TR-10-98 of Harvard University, section 3).
The highest order uses raw counts, and every lower order uses the number of distinct predecessors. Counts of 1, 2,
and 3 or more have their own discounts. The recursion ends in the uniform distribution, so every symbol has
positive probability in every context.

N-grams of up to three symbols are stored in dense tables. Longer ones are stored in a hash table, because only a
tiny share of the ``91**5`` possible ones occurs. Both are plain arrays that the compiled search reads directly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks.kneser_ney import (
    DENSE,
    UNSEEN,
    add_order,
    build_dense_tables,
    count_ngrams,
    number_windows,
)
from veilbench.families.ciphers.attacks.ngram_table import Floats, Integers, Keys, Reals, build_hash_table, look_up

MAX_ORDER = 8
"""Longest n-gram; ``2 * 91**8`` still fits the 63 bits of a hash key."""


@dataclass(frozen=True, eq=False)
class NGramModel:
    """Conditional log-probabilities (natural logarithm) of symbols ``0 .. alphabet_size - 1``.

    Attributes:
        order: Length of the longest n-gram used; a symbol is predicted from ``order - 1`` predecessors.
        alphabet_size: Number of symbols ``A``.
        unigram: Shape ``(A,)``; log-probability without context.
        bigram: Shape ``(A, A)``; log-probability of the last index given the first.
        trigram: Shape ``(A, A, A)``; log-probability of the last index given the two before.
        backoff: Shape ``(A, A, A)``; log back-off weight of a three-symbol context, 1 if it never occurred.
        keys: Shape ``(2**b,)``; hash table of n-grams of order four and up, 0 where empty.  The key of an
            n-gram is its base-``A`` number with a leading digit 1, so that orders cannot collide.
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

        The text is read as a ring, so that every n-gram has a predecessor and a successor, and every context
        occurs as an n-gram of the order below. This adds a few n-grams that span the two ends.

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
        levels = count_ngrams(symbols, max(order, DENSE), order, alphabet_size)
        tables, previous = build_dense_tables(levels, alphabet_size)
        backoff = np.full(alphabet_size**DENSE, UNSEEN, dtype=np.float32)
        entries: list[tuple[Keys, Reals]] = []
        for width in range(DENSE + 1, order + 1):
            previous = add_order(levels[width - 1], width, alphabet_size, previous, backoff, entries)
        keys, values = build_hash_table(entries)
        shapes = [(alphabet_size,) * width for width in (1, 2, 3)]
        dense = [np.log(table).astype(np.float32).reshape(shape) for table, shape in zip(tables, shapes, strict=True)]
        arrays = (*dense, backoff.reshape(shapes[-1]), keys, values)
        for array in arrays:
            array.setflags(write=False)
        return cls(order, alphabet_size, *arrays)

    def score_symbols(self, symbols: NDArray[np.uint8]) -> Reals:
        """Compute the log-probability of every symbol of a text given up to ``order - 1`` predecessors.

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
        for width in range(DENSE + 1, self.order + 1):
            grams = number_windows(text, width, size)
            scores, stored = self._look_up_values(grams, width, 0)
            weights, known = self._look_up_weights(grams // size, width - 1)
            tail = result[width - 1 :]
            tail[:] = np.where(stored, scores, np.where(known, tail + weights, tail))
        return result

    def _look_up_weights(self, contexts: Integers, width: int) -> tuple[Reals, NDArray[np.bool_]]:
        """Return the back-off weight of each context of length ``width``, and whether the context occurred."""
        if width > DENSE:
            return self._look_up_values(contexts, width, 1)
        weights = self.backoff.ravel()[contexts]
        return weights.astype(np.float64), weights != UNSEEN

    def _look_up_values(self, grams: Integers, width: int, column: int) -> tuple[Reals, NDArray[np.bool_]]:
        """Return one column of ``values`` for each n-gram of length ``width``, and whether the n-gram is stored."""
        slots, stored = look_up(self.keys, (grams + self.alphabet_size**width).astype(np.uint64))
        return self.values[slots, column].astype(np.float64), stored


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
