"""Ciphertext-only attack on substitution ciphers with one or many alphabets.

The attacker sees tokens; every token stands for one symbol everywhere, and two tokens of one group (one
member's alphabet) never stand for the same symbol.  The key that makes the whole text most likely under an
n-gram model is searched by simulated annealing over swaps inside a group; the context of the model runs
across groups, so all alphabets are solved together.

The objective is the noisy-channel likelihood of Knight, Nair, Rathod and Yamada, "Unsupervised Analysis for
Decipherment Problems" (2006).  For tokens without a group it keeps the emission term, at the estimate that
makes it largest: without it, a key that maps everything to one symbol would win.  The short restarts follow
Berg-Kirkpatrick and Klein, "Decipherment with a Million Random Restarts" (2013); each anneals low-order
n-grams on a part of the text before high orders on all of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks import substitution_kernels as kernels
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution_state import (
    Puzzle,
    Search,
    checked,
    first_key,
    movable_of,
    search_of,
)

_QUANTILES = 64
"""Draws stored for each pair of neighbours."""
_FLATTEN = 0.7
"""Exponent on the bigram probabilities that propose symbols; below one to keep rare symbols in play."""
_COARSE = {3: (20.0, 2.0), 4: (10.0, 2.0)}
"""First and last temperature in nats of the coarse annealing, by n-gram order."""
_SPARSE = 4
"""Occurrences per token below which trigrams prefer wrong keys, so that the coarse order is four."""
_COARSE_WORK = 1_500_000
_FINE, _FINE_SHARE = (4.0, 1.0), 4
_POLISH, _POLISH_WORK = (8.0, 1.0), 200_000
_SHAKES, _SHAKE_WORK = (2.0, 8.0, 15.0), 1_000_000
"""Temperatures from which the best key is annealed again; work counts rescored positions."""
_AGREEMENT, _AGREEING = 0.95, 3
"""Share of positions on which this number of restarts must agree to be accepted as the solution."""
_JUDGED = 6000
"""Number of positions on which restarts are polished and compared; the best one is finished on the whole text."""
_RUN, _RUN_SYMBOLS = 8, 8
"""Minimum length of a run, and number of symbols that are tried in place of the one that forms most runs."""
_ASCII = 91
"""Size of the alphabet of the characters 32 to 122, in which every letter has a counterpart in the other case."""
_CANDIDATES, _SWEEPS = 12, 10
_TOKENS_PER_MEMBER, _PART, _PART_PER_MEMBER = 60, 300, 350
"""Coarse annealing uses ``_PART`` positions plus ``_PART_PER_MEMBER`` for every 60 tokens: more text makes each
step more expensive and the search no easier."""


def solve(
    tokens: NDArray[np.integer],
    groups: NDArray[np.integer],
    model: NGramModel,
    *,
    known: NDArray[np.integer] | None = None,
    restarts: int = 8,
    seed: int = 0,
    effort: float = 1.0,
) -> NDArray[np.int64]:
    """Guess the symbol behind every token.

    Args:
        tokens: Shape ``(length,)``; token of every position, ``0 .. T - 1``.
        groups: Shape ``(T,)``; group of every token, -1 for a token that may share its symbol with any other.
        model: Language model of the plain text, fitted to other text.
        known: Shape ``(T,)``; symbols that are known and never change, -1 elsewhere; ``None`` knows nothing.
        restarts: Maximum number of annealing runs; the search stops early once three of them agree on nearly all
            of the text.
        seed: Seed of the search; the same arguments give the same answer.
        effort: Factor on the work of each annealing run.

    Returns:
        Shape ``(T,)``; the symbol guessed for each token, distinct within every group except -1.

    Raises:
        ValueError: If a shape, a token, a group, a known symbol or a count is out of range.
    """
    puzzle = checked(tokens, groups, model, known)
    if restarts < 1:
        raise ValueError(f"restarts is {restarts}; allowed are 1 and more")
    if not 0 < effort < float("inf"):
        raise ValueError(f"effort is {effort}; allowed are positive finite numbers")
    generator = np.random.default_rng(seed)
    key = first_key(puzzle, generator)
    if len(puzzle.tokens) and (puzzle.known < 0).any():
        quantiles = np.zeros((puzzle.size, puzzle.size, _QUANTILES), dtype=np.uint8)
        kernels.fill_quantiles(puzzle.tables.bigram, quantiles, _FLATTEN, np.zeros(puzzle.size))
        key = _best_restart(puzzle, key, quantiles, restarts, effort, generator)
        key = _finish(puzzle, key, quantiles, effort, generator)
    return key


def _best_restart(
    puzzle: Puzzle,
    start: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    restarts: int,
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Anneal several times on different parts of the text; returns the most likely key."""
    found: list[tuple[float, NDArray[np.int64]]] = []
    part = puzzle.tokens[:_JUDGED]
    for _ in range(restarts):
        key = _anneal_part(puzzle, start, quantiles, effort, generator)
        work = int(effort * _POLISH_WORK)
        score, key = _polish(puzzle, key, part, quantiles, _POLISH, work, generator)
        found.append((score, key))
        # Wrong keys rarely resemble each other, so a key that is found repeatedly is accepted as the solution.
        if sum(np.mean((other == key)[part]) > _AGREEMENT for _, other in found) >= _AGREEING:
            break
    return max(found, key=lambda item: item[0])[1]


def _anneal_part(
    puzzle: Puzzle,
    start: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Anneal on a random part of the text, first with low-order n-grams, then with all."""
    members = max(1, len(start) // _TOKENS_PER_MEMBER)
    length = _PART + _PART_PER_MEMBER * members
    first = int(generator.integers(max(1, len(puzzle.tokens) - length + 1)))
    search = search_of(puzzle, start, puzzle.tokens[first : first + length], generator)
    movable = movable_of(puzzle, search)
    if not len(movable):
        return start
    work = int(effort * _COARSE_WORK * (1 + members / 2))
    order = 4 if len(search.tokens) < _SPARSE * len(movable) else 3
    coarse = puzzle.tables._replace(order=min(order, puzzle.tables.order))
    kernels.rescore(coarse, search)
    kernels.anneal(coarse, search, quantiles, movable, *_COARSE[order], work)
    kernels.rescore(puzzle.tables, search)
    kernels.anneal(puzzle.tables, search, quantiles, movable, *_FINE, work // _FINE_SHARE)
    return search.key


def _polish(
    puzzle: Puzzle,
    key: NDArray[np.int64],
    part: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    temperatures: tuple[float, float],
    work: int,
    generator: np.random.Generator,
) -> tuple[float, NDArray[np.int64]]:
    """Anneal gently and climb to a local optimum on a part; returns its objective and the key."""
    search = search_of(puzzle, key, part, generator)
    movable = movable_of(puzzle, search)
    kernels.rescore(puzzle.tables, search)
    kernels.anneal(puzzle.tables, search, quantiles, movable, *temperatures, work)
    kernels.descend(puzzle.tables, search, movable, _SWEEPS, _CANDIDATES)
    return _value(puzzle, search), search.key


def _finish(
    puzzle: Puzzle,
    key: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Re-anneal the best key from several temperatures and after joint moves; return the best result."""
    best, text = (-np.inf, key), puzzle.tokens
    work = int(effort * _SHAKE_WORK)
    for hot in _SHAKES:
        again = _polish(puzzle, best[1], text, quantiles, (hot, 1.0), work, generator)
        best = max(best, again, key=lambda item: item[0])
    for twin in _joint_moves(puzzle, best[1]):
        other = _exchanged(puzzle, best[1], twin)
        again = _polish(puzzle, other, text, quantiles, (_SHAKES[0], 1.0), work // 8, generator)
        best = max(best, again, key=lambda item: item[0])
    return best[1]


def _joint_moves(puzzle: Puzzle, key: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """List exchanges of symbols that local search does not find, because many symbols must change together.

    To a language model ``the`` and ``THE`` are mirror images, and so are ``----`` and ``****``.

    Returns:
        Arrays of shape ``(A,)``: the symbol that replaces each one.
    """
    symbols, moves = np.arange(puzzle.size), []
    if puzzle.size == _ASCII:
        letter = np.array([chr(code + 32).isalpha() for code in symbols])
        moves.append(np.where(letter, ((symbols + 32) ^ 32) - 32, symbols))
    text = key[puzzle.tokens]
    starts = max(0, len(text) - _RUN + 1)
    in_run = np.all([text[:starts] == text[i : starts + i] for i in range(_RUN)], axis=0)
    if in_run.any():
        run = int(np.bincount(text[:starts][in_run]).argmax())
        likely = np.argsort(-puzzle.tables.trigram[symbols, symbols, symbols], kind="stable")
        for other in likely[:_RUN_SYMBOLS]:
            move = symbols.copy()
            move[[run, other]] = other, run
            moves.append(move)
    return moves


def _exchanged(puzzle: Puzzle, key: NDArray[np.int64], twin: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exchange symbols in pairs wherever no known token of the group holds one of the two."""
    held = puzzle.known >= 0
    blocked = np.zeros((puzzle.groups.max(initial=-1) + 2, puzzle.size), dtype=np.bool_)
    blocked[puzzle.groups[held], puzzle.known[held]] = True
    # The last row is that of the tokens without group, which never conflict.
    blocked[-1] = False
    free = ~held & ~blocked[puzzle.groups, key] & ~blocked[puzzle.groups, twin[key]]
    return np.where(free, twin[key], key)


def _value(puzzle: Puzzle, search: Search) -> float:
    """Return the objective on the searched part with the full model; refreshes all scores."""
    usage = search.usage
    return kernels.rescore(puzzle.tables, search) - float((usage * np.log(np.maximum(usage, 1))).sum())
