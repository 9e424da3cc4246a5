"""Hidden members: what follows from the number of code books when nobody says which of them made a token.

An ensemble of M code books has M tokens of each symbol at most. Its tokens are dealt into M groups so that no group
has two tokens of one symbol. Such groups are a possible set of code books, and the search for published members applies
to them. A swap within a group is the only move there, so the tokens are dealt anew from time to time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from veilbench.families.ciphers.attacks.substitution_state import Puzzle


def check_copies(puzzle: Puzzle, copies: int) -> None:
    """Raise a `ValueError` if a symbol would need more than ``copies`` tokens.

    Args:
        puzzle: tokens, their groups and the known symbols.
        copies: largest number of tokens without a group that represent one symbol, at least 1.
    """
    loose = int((puzzle.groups < 0).sum())
    least = max(1, -(-loose // puzzle.size), int(_count_known(puzzle).max(initial=0)))
    if copies < least:
        raise ValueError(f"copies is {copies}; allowed are {least} and more for these tokens")


def share_out(puzzle: Puzzle, key: NDArray[np.int64], copies: int) -> NDArray[np.int64]:
    """Assign symbols to the tokens without a group, so that each symbol has ``copies`` of them at most.

    Args:
        puzzle: tokens, their groups and the known symbols, which are kept.
        key: Shape ``(T,)``; symbol of each token, from which the neighbours of each token are read.
        copies: largest number of tokens without a group that represent one symbol.

    Returns:
        Shape ``(T,)``; the assignment with the largest sum of the tokens' trigram scores.
    """
    loose, known, shared = puzzle.groups < 0, puzzle.known >= 0, key.copy()
    free = np.flatnonzero(loose & ~known)
    slots = np.repeat(np.arange(puzzle.size), copies - _count_known(puzzle))
    text = key[puzzle.tokens]
    gains = [_score_symbols(puzzle, text, np.flatnonzero(puzzle.tokens == token)) for token in free]
    rows, columns = linear_sum_assignment(np.array(gains).reshape(len(free), puzzle.size)[:, slots], maximize=True)
    shared[free[rows]] = slots[columns]
    return shared


def _count_known(puzzle: Puzzle) -> NDArray[np.int64]:
    """Count the known tokens without a group by their symbol, shape ``(A,)``."""
    held = (puzzle.groups < 0) & (puzzle.known >= 0)
    return np.bincount(puzzle.known[held], minlength=puzzle.size).astype(np.int64)


def _score_symbols(puzzle: Puzzle, text: NDArray[np.int64], places: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the sum of the trigram scores around the places for each symbol that may stand there, shape ``(A,)``."""
    trigram, inner = puzzle.tables.trigram, places[(places >= 2) & (places < len(text) - 2)]
    far, near, after, later = (text[inner + step] for step in (-2, -1, 1, 2))
    last, middle, first = trigram[far, near].sum(0), trigram[near, :, after].sum(0), trigram[:, after, later].sum(1)
    return np.asarray(last + middle + first)


def deal_groups(puzzle: Puzzle, key: NDArray[np.int64], copies: int, generator: np.random.Generator) -> Puzzle:
    """Deal the tokens without a group at random into ``copies`` groups, none with two tokens of one symbol.

    Args:
        puzzle: tokens, their groups and the known symbols.
        key: Shape ``(T,)``; symbol of each token, each shared by ``copies`` tokens without a group at most.
        copies: number of new groups.
        generator: generator of the groups.

    Returns:
        The same puzzle, in which every token has a group.
    """
    groups, first = puzzle.groups.copy(), int(puzzle.groups.max(initial=-1)) + 1
    loose = puzzle.groups < 0
    for symbol in np.unique(key[loose]):
        same = np.flatnonzero(loose & (key == symbol))
        groups[same] = first + generator.permutation(copies)[: len(same)]
    return replace(puzzle, groups=groups)
