"""Input checks and array layout of the substitution solver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks.ngram_table import tag_slots
from veilbench.families.ciphers.attacks.ngrams import NGramModel


class Tables(NamedTuple):
    """The arrays of an ``NGramModel``, the tags and the shift of its hash table, and the longest n-gram to use."""

    unigram: NDArray[np.float32]
    bigram: NDArray[np.float32]
    trigram: NDArray[np.float32]
    backoff: NDArray[np.float32]
    keys: NDArray[np.uint64]
    tags: NDArray[np.uint8]
    values: NDArray[np.float32]
    shift: np.uint64
    order: int


class Search(NamedTuple):
    """State of the search: a guessed key, the text it implies, and the scores. All arrays change in place.

    Attributes:
        tokens: Shape ``(length,)``; the token of every position.
        text: Shape ``(length,)``; the symbols the key implies.
        scores: Shape ``(length,)``; log-probability of each symbol given its predecessors, in nats.
        starts: Shape ``(T + 1,)``; start of each token's slice of ``places``.
        places: Shape ``(length,)``; positions sorted by token, ascending inside a token.
        key: Shape ``(T,)``; symbol of each token.
        groups: Shape ``(T,)``; group of each token, -1 for none.
        holder: Shape ``(groups, A)``; token of each group that has the symbol in ``key``, or -1.
        fixed: Shape ``(T,)``; whether each token's symbol is known.
        usage: Shape ``(A,)``; number of positions whose token has no group, by symbol.
        touched: Shape ``(length,)``; scratch: positions rescored by the last move.
        fresh: Shape ``(length,)``; scratch: new scores of the positions in ``touched``.
        appeal: Shape ``(A,)``; scratch: estimated score of every symbol for one token.
        other_key: Shape ``(T,)``; scratch: the key after a joint move.
        member: Shape ``(groups,)``; scratch: the token of every group that occurs in a stretch of text.
        random: Shape ``(1,)``; state of the random generator.
    """

    tokens: NDArray[np.int64]
    text: NDArray[np.uint8]
    scores: NDArray[np.float32]
    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    key: NDArray[np.int64]
    groups: NDArray[np.int64]
    holder: NDArray[np.int64]
    fixed: NDArray[np.bool_]
    usage: NDArray[np.int64]
    touched: NDArray[np.int64]
    fresh: NDArray[np.float32]
    appeal: NDArray[np.float64]
    other_key: NDArray[np.int64]
    member: NDArray[np.int64]
    random: NDArray[np.uint64]


@dataclass(frozen=True)
class Puzzle:
    """Validated input of one attack.

    Attributes:
        tokens: Shape ``(length,)``; token of every position.
        groups: Shape ``(T,)``; group of every token from 0, -1 for none.
        known: Shape ``(T,)``; known symbol of every token, -1 if unknown.
        tables: Arrays of the language model.
    """

    tokens: NDArray[np.int64]
    groups: NDArray[np.int64]
    known: NDArray[np.int64]
    tables: Tables

    @property
    def size(self) -> int:
        """Number of symbols ``A``."""
        return len(self.tables.unigram)


def build_puzzle(
    tokens: NDArray[np.integer],
    groups: NDArray[np.integer],
    model: NGramModel,
    known: NDArray[np.integer] | None,
) -> Puzzle:
    """Validate the input of ``solve`` and number the groups from 0.

    Raises:
        ValueError: A shape, a token, a group or a known symbol is out of range.
    """
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
    least, most = int(symbols.min(initial=-1)), int(symbols.max(initial=-1))
    if not -1 <= least <= most < model.alphabet_size:
        raise ValueError(f"known reaches {least} to {most}; allowed are -1 to {model.alphabet_size - 1}")
    # Renumber the groups so that they can index rows; -1 stays.
    distinct = np.unique(groups[groups >= 0])
    rows = np.where(groups >= 0, np.searchsorted(distinct, groups), -1).astype(np.int64)
    _check_groups(rows, symbols, model.alphabet_size)
    return Puzzle(tokens.astype(np.int64), rows, symbols.astype(np.int64), collect_tables(model))


def _check_groups(rows: NDArray[np.int64], known: NDArray[np.integer], size: int) -> None:
    largest = int(np.bincount(rows[rows >= 0]).max(initial=0))
    if largest > size:
        raise ValueError(f"a group has {largest} tokens; allowed are at most {size}, one per symbol")
    held = (rows >= 0) & (known >= 0)
    cells = rows[held] * size + known[held]
    if len(np.unique(cells)) < len(cells):
        raise ValueError("known gives two tokens of one group the same symbol; allowed is one token per symbol")


@lru_cache(maxsize=2)
def collect_tables(model: NGramModel) -> Tables:
    """Collect the model's arrays for the compiled search; those of the last two models are cached."""
    shift = np.uint64(64 - (len(model.keys).bit_length() - 1))
    return Tables(
        model.unigram,
        model.bigram,
        model.trigram,
        model.backoff,
        model.keys,
        tag_slots(model.keys),
        model.values,
        shift,
        model.order,
    )


def initialise_key(puzzle: Puzzle, generator: np.random.Generator) -> NDArray[np.int64]:
    """Assign the most frequent free symbols to the most frequent tokens of every group."""
    key = puzzle.known.copy()
    counts = np.bincount(puzzle.tokens, minlength=len(key))
    ranking = np.argsort(-puzzle.tables.unigram, kind="stable")
    for group in range(puzzle.groups.max(initial=-1) + 1):
        inside = puzzle.groups == group
        free = ranking[~np.isin(ranking, puzzle.known[inside])]
        open_tokens = np.flatnonzero(inside & (puzzle.known < 0))
        open_tokens = open_tokens[np.argsort(-counts[open_tokens], kind="stable")]
        key[open_tokens] = free[: len(open_tokens)]
    loose = np.flatnonzero(key < 0)
    shares = np.exp(puzzle.tables.unigram.astype(np.float64))
    key[loose] = generator.choice(puzzle.size, size=len(loose), p=shares / shares.sum())
    return key


def count_usage(puzzle: Puzzle, tokens: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the positions of ungrouped tokens by their symbol, shape ``(A,)``."""
    loose = tokens[puzzle.groups[tokens] < 0]
    return np.bincount(key[loose], minlength=puzzle.size).astype(np.int64)


def start_search(
    puzzle: Puzzle, key: NDArray[np.int64], tokens: NDArray[np.int64], generator: np.random.Generator
) -> Search:
    """Create the state of a search that starts from ``key`` on a part of the text, ``tokens``."""
    counts = np.bincount(tokens, minlength=len(key))
    rows = int(puzzle.groups.max(initial=-1)) + 1
    holder = np.full((rows, puzzle.size), -1, dtype=np.int64)
    grouped = np.flatnonzero(puzzle.groups >= 0)
    holder[puzzle.groups[grouped], key[grouped]] = grouped
    return Search(
        tokens=tokens,
        text=key[tokens].astype(np.uint8),
        scores=np.zeros(len(tokens), dtype=np.float32),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        places=np.argsort(tokens, kind="stable").astype(np.int64),
        key=key.copy(),
        groups=puzzle.groups,
        holder=holder,
        fixed=puzzle.known >= 0,
        usage=count_usage(puzzle, tokens, key),
        touched=np.zeros(len(tokens), dtype=np.int64),
        fresh=np.zeros(len(tokens), dtype=np.float32),
        appeal=np.zeros(puzzle.size),
        other_key=key.copy(),
        member=np.zeros(rows, dtype=np.int64),
        random=generator.integers(1, 2**63, size=1, dtype=np.uint64),
    )


def list_movable(puzzle: Puzzle, search: Search) -> NDArray[np.int64]:
    """List the tokens that occur and whose symbol is unknown, most frequent first."""
    counts = np.diff(search.starts)
    ranking = np.argsort(-counts, kind="stable")
    return ranking[(counts[ranking] > 0) & ~search.fixed[ranking]].astype(np.int64)
