"""Ciphertext-only attack on substitution ciphers with one or many alphabets.

The attacker sees tokens; every token stands for one symbol everywhere, and two tokens of one group (one member's
alphabet) never stand for the same symbol.  The key that makes the whole text most likely under an n-gram model is
searched by simulated annealing over swaps inside a group; the context of the model runs across groups, so all
alphabets are solved together.

The objective is the noisy-channel likelihood of Knight et al., "Unsupervised Analysis for Decipherment Problems"
(2006, section 3).  For tokens without a group it keeps the emission term with its maximum-likelihood estimate:
without it, a key that maps everything to one symbol would win.  Annealing first with low-order n-grams on a part of
the text and finishing with high orders on all of it is a coarse-to-fine schedule; the many short restarts follow
Berg-Kirkpatrick and Klein, "Decipherment with a Million Random Restarts" (2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilbench.attacks import substitution_kernels as kernels
from veilbench.attacks.ngrams import NGramModel

_QUANTILES = 64
_COARSE_ORDER = 3
_COARSE = (20.0, 2.0)
_FINE = (4.0, 1.0)
_REFINE = (8.0, 1.0)
_REFINE_WORK = 2_000_000
_AGREEMENT = 0.8
_CANDIDATES = 12


@dataclass(frozen=True)
class _Puzzle:
    """Checked input of one attack."""

    tokens: NDArray[np.int64]
    groups: NDArray[np.int64]
    known: NDArray[np.int64]
    tables: kernels.Tables

    @property
    def size(self) -> int:
        return len(self.tables.unigram)


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
        restarts: Most annealing runs; fewer are made once two of them agree.
        seed: Seed of the search; the same arguments give the same answer.
        effort: Factor on the work of each annealing run.

    Returns:
        Shape ``(T,)``; the symbol guessed for each token, distinct inside every group but -1.

    Raises:
        ValueError: If a shape, a token, a group, a known symbol or a count is out of range.
    """
    puzzle = _checked(tokens, groups, model, known)
    if restarts < 1:
        raise ValueError(f"restarts is {restarts}; allowed are 1 and more")
    if not 0 < effort < float("inf"):
        raise ValueError(f"effort is {effort}; allowed are positive finite numbers")
    generator = np.random.default_rng(seed)
    key = _first_key(puzzle, generator)
    if len(puzzle.tokens) and (puzzle.known < 0).any():
        quantiles = np.zeros((puzzle.size, puzzle.size, _QUANTILES), dtype=np.uint8)
        kernels.fill_quantiles(puzzle.tables.bigram, quantiles, 0.7)
        key = _best_restart(puzzle, key, quantiles, restarts, effort, generator)
        key = _finish(puzzle, key, quantiles, effort, generator)
    return key


def objective(
    tokens: NDArray[np.integer], groups: NDArray[np.integer], model: NGramModel, key: NDArray[np.integer]
) -> float:
    """Return what ``solve`` maximises for a complete key, in nats.

    Args:
        tokens: Shape ``(length,)``; token of every position.
        groups: Shape ``(T,)``; group of every token.
        model: Language model.
        key: Shape ``(T,)``; symbol of every token.

    Returns:
        Log-likelihood of the text, plus that of the ungrouped tokens given their symbols.

    Raises:
        ValueError: As in ``solve``, or if the key is not complete.
    """
    puzzle = _checked(tokens, groups, model, key)
    if (puzzle.known < 0).any():
        raise ValueError(f"key leaves {int((puzzle.known < 0).sum())} tokens open; allowed is 0")
    score = float(model.log_probabilities(puzzle.known[puzzle.tokens].astype(np.uint8)).sum())
    usage = _usage(puzzle, puzzle.tokens, puzzle.known)
    return score - float((usage * np.log(np.maximum(usage, 1))).sum())


def _checked(
    tokens: NDArray[np.integer],
    groups: NDArray[np.integer],
    model: NGramModel,
    known: NDArray[np.integer] | None,
) -> _Puzzle:
    count = len(groups)
    if tokens.ndim != 1 or groups.ndim != 1:
        raise ValueError(f"tokens and groups have {tokens.ndim} and {groups.ndim} axes; allowed is 1 each")
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < count:
        raise ValueError(f"tokens reach {tokens.min()} to {tokens.max()}; allowed are 0 to {count - 1}")
    if count and int(groups.min()) < -1:
        raise ValueError(f"groups contain {groups.min()}; allowed are -1 and more")
    symbols = np.full(count, -1) if known is None else known
    if symbols.shape != (count,):
        raise ValueError(f"known has shape {symbols.shape}; allowed is ({count},)")
    if count and not -1 <= int(symbols.min()) <= int(symbols.max()) < model.alphabet_size:
        raise ValueError(f"known reaches {symbols.max()}; allowed are -1 to {model.alphabet_size - 1}")
    # Renumber the groups so that they can index rows, keeping -1.
    names = np.unique(groups[groups >= 0])
    rows = np.where(groups >= 0, np.searchsorted(names, groups), -1).astype(np.int64)
    _check_groups(rows, symbols, model.alphabet_size)
    return _Puzzle(tokens.astype(np.int64), rows, symbols.astype(np.int64), tables_of(model))


def _check_groups(rows: NDArray[np.int64], known: NDArray[np.integer], size: int) -> None:
    largest = int(np.bincount(rows[rows >= 0]).max(initial=0))
    if largest > size:
        raise ValueError(f"a group has {largest} tokens; allowed are at most {size}, one per symbol")
    held = (rows >= 0) & (known >= 0)
    cells = rows[held] * size + known[held]
    if len(np.unique(cells)) < len(cells):
        raise ValueError("known gives two tokens of one group the same symbol; allowed is one token per symbol")


def tables_of(model: NGramModel) -> kernels.Tables:
    """Hand the model's arrays to the compiled search."""
    shift = np.uint64(64 - (len(model.keys).bit_length() - 1))
    return kernels.Tables(
        model.unigram,
        model.bigram,
        model.trigram,
        model.backoff,
        model.keys,
        model.values,
        shift,
        model.order,
    )


def _first_key(puzzle: _Puzzle, generator: np.random.Generator) -> NDArray[np.int64]:
    """Give the commonest tokens of every group the commonest free symbols."""
    key = puzzle.known.copy()
    counts = np.bincount(puzzle.tokens, minlength=len(key))
    ranking = np.argsort(-puzzle.tables.unigram, kind="stable")
    for group in range(puzzle.groups.max(initial=-1) + 1):
        inside = puzzle.groups == group
        free = np.setdiff1d(ranking, puzzle.known[inside], assume_unique=False)
        free = ranking[np.isin(ranking, free)]
        open_tokens = np.flatnonzero(inside & (puzzle.known < 0))
        open_tokens = open_tokens[np.argsort(-counts[open_tokens], kind="stable")]
        key[open_tokens] = free[: len(open_tokens)]
    loose = np.flatnonzero(key < 0)
    shares = np.exp(puzzle.tables.unigram.astype(np.float64))
    key[loose] = generator.choice(puzzle.size, size=len(loose), p=shares / shares.sum())
    return key


def _usage(puzzle: _Puzzle, tokens: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.int64]:
    loose = tokens[puzzle.groups[tokens] < 0]
    return np.bincount(key[loose], minlength=puzzle.size).astype(np.int64)


def _search(
    puzzle: _Puzzle, key: NDArray[np.int64], tokens: NDArray[np.int64], generator: np.random.Generator
) -> kernels.Search:
    """Lay out the state of a search over a part of the text."""
    counts = np.bincount(tokens, minlength=len(key))
    rows = int(puzzle.groups.max(initial=-1)) + 1
    holder = np.full((rows, puzzle.size), -1, dtype=np.int64)
    grouped = np.flatnonzero(puzzle.groups >= 0)
    holder[puzzle.groups[grouped], key[grouped]] = grouped
    return kernels.Search(
        text=key[tokens].astype(np.uint8),
        scores=np.zeros(len(tokens), dtype=np.float32),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        places=np.argsort(tokens, kind="stable").astype(np.int64),
        key=key.copy(),
        groups=puzzle.groups,
        holder=holder,
        fixed=puzzle.known >= 0,
        usage=_usage(puzzle, tokens, key),
        touched=np.zeros(len(tokens), dtype=np.int64),
        fresh=np.zeros(len(tokens), dtype=np.float32),
        random=generator.integers(1, 2**63, size=1, dtype=np.uint64),
    )


def _movable(puzzle: _Puzzle, search: kernels.Search) -> NDArray[np.int64]:
    """List the tokens that occur and are not known, commonest first."""
    counts = np.diff(search.starts)
    ranking = np.argsort(-counts, kind="stable")
    return ranking[(counts[ranking] > 0) & ~search.fixed[ranking]].astype(np.int64)


def _value(puzzle: _Puzzle, search: kernels.Search) -> float:
    """Return the objective on the searched part with the full model; refreshes all scores."""
    usage = search.usage
    return kernels.rescore(puzzle.tables, search) - float((usage * np.log(np.maximum(usage, 1))).sum())


def _best_restart(
    puzzle: _Puzzle,
    start: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    restarts: int,
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Anneal several times on the beginning of the text; returns the most likely key."""
    members = max(1, len(start) // 60)
    part = puzzle.tokens[: 300 + 350 * members]
    work = int(effort * 500_000 * (1 + members / 2))
    coarse = puzzle.tables._replace(order=min(_COARSE_ORDER, puzzle.tables.order))
    found: list[tuple[float, NDArray[np.uint8], NDArray[np.int64]]] = []
    for _ in range(restarts):
        search = _search(puzzle, start, part, generator)
        movable = _movable(puzzle, search)
        if not len(movable):
            return start
        kernels.rescore(coarse, search)
        kernels.anneal(coarse, search, quantiles, movable, _COARSE, work)
        kernels.rescore(puzzle.tables, search)
        kernels.anneal(puzzle.tables, search, quantiles, movable, _FINE, work // 4)
        agreed = any(np.mean(text == search.text) > _AGREEMENT for _, text, _ in found)
        found.append((_value(puzzle, search), search.text, search.key))
        if agreed:
            break
    return max(found, key=lambda item: item[0])[2]


def _finish(
    puzzle: _Puzzle,
    key: NDArray[np.int64],
    quantiles: NDArray[np.uint8],
    effort: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Anneal gently and climb to a local optimum of the full model on the whole text."""
    search = _search(puzzle, key, puzzle.tokens, generator)
    movable = _movable(puzzle, search)
    kernels.rescore(puzzle.tables, search)
    kernels.anneal(puzzle.tables, search, quantiles, movable, _REFINE, int(effort * _REFINE_WORK))
    kernels.descend(puzzle.tables, search, movable, 10, _CANDIDATES)
    return search.key
