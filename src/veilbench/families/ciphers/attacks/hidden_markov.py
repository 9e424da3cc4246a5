"""Expectation maximisation for substitution ciphers: a hidden Markov model whose hidden states are the characters.

The transitions are the language's bigrams and stay fixed; the emission probabilities of tokens are estimated by the
algorithm of Baum, Petrie, Soules and Weiss (1970), as for substitution ciphers by Knight, Nair, Rathod and Yamada
(2006). The start matters more than the number of iterations: it assumes that the homophones of a character are used
about equally often, so that a character with k homophones is k times as frequent as each of them.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from veilbench.families.ciphers.attacks.substitution_state import Puzzle

_ITERATIONS, _LEAST_RISE = 40, 1e-4  # stop when the log-likelihood rises by less than this per position
_FLOOR = np.float32(1e-9)  # least expected count, so that no token becomes impossible


def estimate_key(puzzle: Puzzle, bigrams: NDArray[np.floating], unigrams: NDArray[np.floating]) -> NDArray[np.int64]:
    """Estimate the symbol of every token from bigrams and token frequencies.

    Args:
        puzzle: tokens, their groups and the known symbols.
        bigrams: Shape ``(A, A)``; log-probability of the last index given the first.
        unigrams: Shape ``(A,)``; log-probability of each symbol.

    Returns:
        Shape ``(T,)``; the most probable symbol of each token, distinct within every group except -1.
    """
    bigram, unigram = (np.exp(table).astype(np.float32) for table in (bigrams, unigrams))
    expected = _fix_known(puzzle, _first_counts(puzzle, unigram))
    last = -np.inf
    for _ in range(_ITERATIONS):
        emission = expected + _FLOOR
        emission /= emission.sum(1, keepdims=True)
        likelihood = count_expected(puzzle.tokens, bigram, unigram, emission, expected)
        expected = _fix_known(puzzle, expected)
        if likelihood - last < _LEAST_RISE * len(puzzle.tokens):
            break
        last = likelihood
    return _assign(puzzle, expected)


def _first_counts(puzzle: Puzzle, unigram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first expected counts, shape ``(A, T)``: large where a token is as frequent as its share of a symbol.

    The number of homophones per symbol is that of the groups, or for tokens without a group the number of tokens
    divided by the number of symbols that a text of this length should contain.
    """
    length, shares = len(puzzle.tokens), np.bincount(puzzle.tokens, minlength=len(puzzle.groups)) / len(puzzle.tokens)
    present = float((1 - (1 - unigram) ** length).sum())
    groups = int(puzzle.groups.max(initial=-1)) + 1
    homophones = np.where(puzzle.groups >= 0, max(groups, 1), max(1.0, (puzzle.groups < 0).sum() / present))
    ratio = np.log(homophones * np.maximum(shares, _FLOOR))[None] - np.log(unigram)[:, None]
    return np.asarray(shares[None] * np.exp(-(ratio**2)), np.float32)


def _fix_known(puzzle: Puzzle, counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move all counts of each known token to its symbol, in place."""
    held = np.flatnonzero(puzzle.known >= 0)
    totals = counts[:, held].sum(0)
    counts[:, held] = 0
    counts[puzzle.known[held], held] = totals
    return counts


def _assign(puzzle: Puzzle, expected: NDArray[np.float32]) -> NDArray[np.int64]:
    """Choose the symbols with the largest expected counts: one to one within each group, freely without a group."""
    key = np.where(puzzle.known >= 0, puzzle.known, expected.argmax(0)).astype(np.int64)
    for group in range(int(puzzle.groups.max(initial=-1)) + 1):
        inside = puzzle.groups == group
        members = np.flatnonzero(inside & (puzzle.known < 0))
        free = np.setdiff1d(np.arange(puzzle.size), puzzle.known[inside])
        rows, columns = linear_sum_assignment(expected[np.ix_(free, members)], maximize=True)
        key[members[columns]] = free[rows]
    return key


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def count_expected(
    tokens: NDArray[np.int64],
    bigram: NDArray[np.float32],
    first: NDArray[np.float32],
    emission: NDArray[np.float32],
    counts: NDArray[np.float32],
) -> float:
    """Run the forward and backward passes with scaling (Rabiner 1989, section V.A).

    Args:
        tokens: observed tokens, shape (length,).
        bigram: Shape ``(A, A)``; probability of the last index given the first.
        first: Shape ``(A,)``; probability of the first symbol.
        emission: Shape ``(A, T)``; probability of each token given the symbol.
        counts: Shape ``(A, T)``; replaced by the expected number of positions that have the symbol and the token.

    Returns:
        The log-likelihood of the tokens in nats.
    """
    length, size = len(tokens), len(first)
    forward, scale = np.empty((length, size), np.float32), np.empty(length, np.float32)
    onward = np.ascontiguousarray(bigram.T)
    state = first.copy()
    for place in range(length):
        if place:
            state = onward @ forward[place - 1]
        total = np.float32(0)
        for symbol in range(size):
            state[symbol] *= emission[symbol, tokens[place]]
            total += state[symbol]
        scale[place] = total
        for symbol in range(size):
            forward[place, symbol] = state[symbol] / total
    counts[:] = 0
    back = np.ones(size, np.float32)
    likelihood = 0.0
    for place in range(length - 1, -1, -1):
        token = tokens[place]
        likelihood += np.log(scale[place])
        for symbol in range(size):
            counts[symbol, token] += forward[place, symbol] * back[symbol]
            back[symbol] *= emission[symbol, token] / scale[place]
        back = bigram @ back
    return likelihood
