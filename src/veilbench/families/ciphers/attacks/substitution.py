"""Ciphertext-only attack on substitution ciphers with one or several code books.

The attacker sees tokens. Each token represents the same symbol everywhere, and two tokens of one group (one code
book) never represent the same symbol. Simulated annealing searches for the key that maximises the likelihood of
the text under an n-gram model, by swapping symbols within groups. Since n-grams span tokens of several groups,
all code books are solved together.

The objective is the noisy-channel likelihood of Knight, Nair, Rathod and Yamada, "Unsupervised Analysis for
Decipherment Problems" (2006). For tokens without a group, it includes the emission term at its maximum-likelihood
estimate; otherwise a key that maps all tokens to one symbol would win. The short restarts follow Berg-Kirkpatrick
and Klein, "Decipherment with a Million Random Restarts" (2013). Each restart anneals with low-order n-grams on a
part of the text first, and then with all orders.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks import substitution_kernels as kernels
from veilbench.families.ciphers.attacks.copies import check_copies, deal_groups, share_out
from veilbench.families.ciphers.attacks.hidden_markov import estimate_key
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution_state import (
    Puzzle,
    Search,
    build_puzzle,
    initialise_key,
    list_movable,
    start_search,
)

_QUANTILES = 64
"""Number of symbols stored for each pair of neighbours, from which proposals are drawn."""
_FLATTEN = 0.7
"""Exponent of the bigram probabilities by which symbols are proposed; below one, to propose rare symbols too."""
_COARSE = {3: (20.0, 2.0), 4: (10.0, 2.0)}
"""First and last temperature of the coarse annealing in nats, by n-gram order."""
_SPARSE = 4
"""Mean occurrences per token below which the coarse order is four, since trigrams would prefer wrong keys."""
_COARSE_WORK = 1_500_000
"""Work of the coarse annealing; work is the number of steps and rescored positions."""
_FINE, _FINE_SHARE = (4.0, 1.0), 4
"""First and last temperature of the fine annealing in nats, and the divisor of the coarse work that gives its work."""
_DIRECT, _DIRECT_WORK = (10.0, 1.0), 20_000_000
"""Temperatures in nats, and work, of annealing with all orders from the start."""
_POLISH, _POLISH_WORK = (8.0, 1.0), 200_000
"""First and last temperature in nats, and work, of the last annealing of each restart."""
_REFINE, _REFINE_WORK = (2.0, 1.0), 1_000_000
"""Temperatures and work for a key that expectation maximisation found: gentle, since most of it is right."""
_SHAKES, _SHAKE_WORK = (2.0, 8.0, 15.0), 1_000_000
"""First temperatures in nats, and work, with which the best key is annealed again."""
_DEALS, _DEAL_WORK = (2.0, 4.0, 8.0, 4.0, 2.0), 500_000
"""First temperatures in nats, and work, of the annealing after each time that tokens are dealt into code books."""
_AGREEMENT, _AGREEING = 0.95, 3
"""A key is accepted as the solution if this number of restarts agree on this share of positions."""
_JUDGED = 6000
"""Number of positions on which restarts are polished and compared; the best one is finished on the whole text."""
_RUN, _RUN_SYMBOLS = 8, 8
"""Minimum length of a run of one symbol, and number of symbols tried in place of the most frequent run symbol."""
_ASCII = 91
"""Size of the alphabet of the characters 32 to 122, in which every letter has a counterpart in the other case."""
_CANDIDATES, _SWEEPS = 12, 10
"""Number of symbols tried for each token, and maximum number of sweeps, of the local search."""
_TOKENS_PER_MEMBER, _PART, _PART_PER_MEMBER = 60, 300, 350
"""Coarse annealing uses ``_PART`` positions plus ``_PART_PER_MEMBER`` for every 60 tokens. More text would make
each step more expensive, but the search no easier."""


def solve(
    tokens: NDArray[np.integer],
    groups: NDArray[np.integer],
    model: NGramModel,
    *,
    known: NDArray[np.integer] | None = None,
    bigrams: NGramModel | None = None,
    restarts: int = 8,
    seed: int = 0,
    effort: float = 1.0,
    copies: int | None = None,
    coarse: bool = True,
    finish: bool = True,
) -> NDArray[np.int64]:
    """Find the most likely symbol of every token.

    Args:
        tokens: Shape ``(length,)``; token of every position, ``0 .. T - 1``.
        groups: Shape ``(T,)``; group of every token, -1 for a token that may share its symbol with any other.
        model: Language model of the plain text, fitted to other text.
        known: Shape ``(T,)``; known symbols, which are kept, and -1 for unknown ones. ``None`` if all are unknown.
        bigrams: Model whose bigrams expectation maximisation uses; ``model`` if it is ``None``. A model of text
            without added capitals is sharper.
        restarts: Maximum number of annealing runs; the search stops early once one of them agrees with
            expectation maximisation on nearly all of the text, or three of them agree with each other.
        seed: Seed of the search; the same arguments give the same answer.
        effort: Factor on the work of each annealing run.
        copies: Largest number of tokens without a group that represent one symbol, such as the number of members whose
            ids are hidden; ``None`` if it is unknown.
        coarse: Whether each annealing run starts with low-order n-grams. With all orders from the start it takes about
            eight times as long, and solves short homophonic ciphers.
        finish: Whether the best key is annealed again and tried with joint moves. Where codes do not repeat, it costs
            most of the time and adds a hundredth of the text at most.

    Returns:
        Shape ``(T,)``; the symbol guessed for each token, distinct within every group except -1.

    Raises:
        ValueError: If a shape, a token, a group, a known symbol or a count is out of range.
    """
    puzzle = build_puzzle(tokens, groups, model, known)
    if restarts < 0:
        raise ValueError(f"restarts is {restarts}; allowed are 0 and more")
    if not 0 < effort < float("inf"):
        raise ValueError(f"effort is {effort}; allowed are positive finite numbers")
    if copies is not None:
        check_copies(puzzle, copies)
    generator = np.random.default_rng(seed)
    key = initialise_key(puzzle, generator)
    if len(puzzle.tokens) and (puzzle.known < 0).any():
        quantiles = _tabulate_proposals(model)
        estimate = estimate_key(puzzle, (bigrams or model).bigram, (bigrams or model).unigram)
        key = _best_restart(puzzle, key, estimate, quantiles, restarts, effort, generator, coarse)
        if finish:
            key = _finish(puzzle, key, quantiles, effort, generator)
        if copies is not None and (puzzle.groups < 0).any():
            key = _deal_and_polish(puzzle, key, copies, quantiles, effort, generator)
    return key


@lru_cache(maxsize=2)
def _tabulate_proposals(model: NGramModel) -> NDArray[np.uint8]:
    """Tabulate the symbols that annealing proposes between two neighbours; the tables of two models are cached."""
    quantiles = np.zeros((model.alphabet_size, model.alphabet_size, _QUANTILES), dtype=np.uint8)
    kernels.fill_quantiles(model.bigram, quantiles, _FLATTEN, np.zeros(model.alphabet_size))
    return quantiles


def _best_restart(
    puzzle: Puzzle,
    start: NDArray[np.int64],
    estimate: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    restarts: int,
    effort: float,
    generator: np.random.Generator,
    coarse: bool,
) -> NDArray[np.int64]:
    """Polish the estimated key, anneal several times on different parts of the text, and return the best key found."""
    part = puzzle.tokens[:_JUDGED]
    work = int(effort * _REFINE_WORK)
    finished = [_polish(puzzle, estimate, part, quantiles, _REFINE, work, generator)]
    for _ in range(restarts):
        key = _anneal_part(puzzle, start, quantiles, effort, generator, coarse)
        work = int(effort * _POLISH_WORK)
        finished.append(_polish(puzzle, key, part, quantiles, _POLISH, work, generator))
        # Wrong keys rarely resemble each other, so a key that is found twice is accepted.
        agreeing = [np.mean((other == finished[-1][1])[part]) > _AGREEMENT for _, other in finished]
        if agreeing[0] or sum(agreeing) >= _AGREEING:
            break
    return max(finished, key=lambda item: item[0])[1]


def _anneal_part(
    puzzle: Puzzle,
    start: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    effort: float,
    generator: np.random.Generator,
    coarse: bool,
) -> NDArray[np.int64]:
    """Anneal on a random part of the text, with low-order n-grams first if ``coarse``; return the key."""
    members = max(1, len(start) // _TOKENS_PER_MEMBER)
    length = _PART + _PART_PER_MEMBER * members
    first = int(generator.integers(max(1, len(puzzle.tokens) - length + 1)))
    search = start_search(puzzle, start, puzzle.tokens[first : first + length], generator)
    movable = list_movable(puzzle, search)
    if not len(movable):
        return start
    if not coarse:
        kernels.rescore(puzzle.tables, search)
        kernels.anneal(puzzle.tables, search, quantiles, movable, *_DIRECT, int(effort * _DIRECT_WORK))
        return search.key
    work = int(effort * _COARSE_WORK * (1 + members / 2))
    order = 4 if len(search.tokens) < _SPARSE * len(movable) else 3
    low = puzzle.tables._replace(order=min(order, puzzle.tables.order))
    kernels.rescore(low, search)
    kernels.anneal(low, search, quantiles, movable, *_COARSE[order], work)
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
    """Anneal on a part of the text and improve the key to a local optimum; return the objective and the key."""
    search = start_search(puzzle, key, part, generator)
    movable = list_movable(puzzle, search)
    kernels.rescore(puzzle.tables, search)
    kernels.anneal(puzzle.tables, search, quantiles, movable, *temperatures, work)
    kernels.descend(puzzle.tables, search, movable, _SWEEPS, _CANDIDATES)
    return _score_search(puzzle, search), search.key


def _finish(
    puzzle: Puzzle,
    key: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Anneal the best key again, from several temperatures and after each joint move; return the best key."""
    best, text = (-np.inf, key), puzzle.tokens
    work = int(effort * _SHAKE_WORK)
    for hot in _SHAKES:
        candidate = _polish(puzzle, best[1], text, quantiles, (hot, 1.0), work, generator)
        best = max(best, candidate, key=lambda item: item[0])
    for partners in _list_joint_moves(puzzle, best[1]):
        exchanged = _exchange_symbols(puzzle, best[1], partners)
        candidate = _polish(puzzle, exchanged, text, quantiles, (_SHAKES[0], 1.0), work // 8, generator)
        best = max(best, candidate, key=lambda item: item[0])
    return best[1]


def _deal_and_polish(
    puzzle: Puzzle,
    key: NDArray[np.int64],
    copies: int,
    quantiles: NDArray[np.uint8],
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal the tokens without a group into possible code books and anneal, several times; return the best key."""
    best = (-np.inf, share_out(puzzle, key, copies))
    for hot in _DEALS:
        dealt = deal_groups(puzzle, best[1], copies, generator)
        work = int(effort * _DEAL_WORK)
        candidate = _polish(dealt, best[1], puzzle.tokens, quantiles, (hot, 1.0), work, generator)
        best = max(best, candidate, key=lambda item: item[0])
    return best[1]


def _list_joint_moves(puzzle: Puzzle, key: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """List exchanges of symbols that local search misses, because many symbols must change together.

    A language model gives similar scores to ``the`` and ``THE``, and to ``----`` and ``****``. So all letters exchange
    their case, and the most frequent run symbol is exchanged with other likely run symbols.

    Returns:
        Arrays of shape ``(A,)``: the symbol with which each symbol is exchanged.
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


def _exchange_symbols(puzzle: Puzzle, key: NDArray[np.int64], partners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace each token's symbol by its partner, unless a known token of the same group has one of the two."""
    known = puzzle.known >= 0
    blocked = np.zeros((puzzle.groups.max(initial=-1) + 2, puzzle.size), dtype=np.bool_)
    blocked[puzzle.groups[known], puzzle.known[known]] = True
    # The last row (index -1) belongs to tokens without a group, which never conflict.
    blocked[-1] = False
    free = ~known & ~blocked[puzzle.groups, key] & ~blocked[puzzle.groups, partners[key]]
    return np.where(free, partners[key], key)


def _score_search(puzzle: Puzzle, search: Search) -> float:
    """Recompute all scores with the full model, and return the objective on the searched part."""
    usage = search.usage
    return kernels.rescore(puzzle.tables, search) - float((usage * np.log(np.maximum(usage, 1))).sum())
