"""Compiled inner loops of the substitution solver: incremental n-gram scores, annealing and descent.

All state lives in arrays that the caller owns; nothing here touches a global random generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

_SLACK = 40.0
"""Nats by which a move may fall short half-way before it is given up; hopeless moves are the common case."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile one function, keeping its declared type for the type checker."""
    return cast(_Function, njit(cache=True)(function))


class Tables(NamedTuple):
    """The arrays of an ``NGramModel`` plus the two numbers its hash table needs."""

    unigram: NDArray[np.float32]
    bigram: NDArray[np.float32]
    trigram: NDArray[np.float32]
    backoff: NDArray[np.float32]
    keys: NDArray[np.uint64]
    values: NDArray[np.float32]
    shift: np.uint64
    order: int


class Search(NamedTuple):
    """A guessed key, the text it implies and its scores; all arrays change in place.

    Attributes:
        text: Shape ``(length,)``; the symbols the key implies.
        scores: Shape ``(length,)``; log-probability of each symbol given its predecessors.
        starts: Shape ``(T + 1,)``; where each token's slice of ``places`` begins.
        places: Shape ``(length,)``; positions sorted by token, ascending inside a token.
        key: Shape ``(T,)``; symbol of each token.
        groups: Shape ``(T,)``; group of each token, -1 for none.
        holder: Shape ``(groups, A)``; the token of a group that holds a symbol, or -1.
        fixed: Shape ``(T,)``; tokens whose symbol is known.
        usage: Shape ``(A,)``; positions of ungrouped tokens that hold each symbol.
        touched: Shape ``(length,)``; scratch: positions the last trial rescored.
        fresh: Shape ``(length,)``; scratch: their new scores.
        random: Shape ``(1,)``; state of the random generator.
    """

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
    random: NDArray[np.uint64]


@compiled
def find(keys: NDArray[np.uint64], shift: np.uint64, wanted: int) -> int:
    """Return the slot of an n-gram in the model's hash table, or -1."""
    name = np.uint64(wanted)
    slot = np.int64((name * np.uint64(0x9E3779B97F4A7C15)) >> shift)
    mask = len(keys) - 1
    while keys[slot] != name:
        if keys[slot] == 0:
            return -1
        slot = (slot + 1) & mask
    return slot


@compiled
def position_score(tables: Tables, text: NDArray[np.uint8], at: int) -> float:
    """Log-probability of the symbol at one position given its predecessors."""
    last = np.int64(text[at])
    if at == 0:
        return tables.unigram[last]
    near = np.int64(text[at - 1])
    if at == 1:
        return tables.bigram[near, last]
    far = np.int64(text[at - 2])
    if at == 2 or tables.order < 4:
        return tables.trigram[far, near, last]
    return _long_score(tables, text, at, (far, near, last))


@compiled
def _long_score(tables: Tables, text: NDArray[np.uint8], at: int, recent: tuple[int, int, int]) -> float:
    """Extend a trigram score for as long as the context occurs in the statistics."""
    far, near, last = recent
    score = tables.trigram[far, near, last]
    first = np.int64(text[at - 3])
    weight = tables.backoff[first, far, near]
    if weight > 0:
        return score
    size = np.int64(len(tables.unigram))
    gram = (far * size + near) * size + last
    context = (first * size + far) * size + near
    power = size * size * size
    seen = True
    top = min(tables.order, at + 1)
    for width in range(4, top + 1):
        gram += np.int64(text[at - width + 1]) * power
        slot = find(tables.keys, tables.shift, gram + power * size) if seen else -1
        seen = slot >= 0
        score = tables.values[slot, 0] if seen else score + weight
        if width == top:
            break
        context += np.int64(text[at - width]) * power
        power *= size
        slot = find(tables.keys, tables.shift, context + power)
        if slot < 0:
            break
        weight = tables.values[slot, 1]
    return score


@compiled
def rescore(tables: Tables, search: Search) -> float:
    """Recompute every score from the text; returns their sum."""
    total = 0.0
    for at in range(len(search.text)):
        search.scores[at] = position_score(tables, search.text, at)
        total += search.scores[at]
    return total


@compiled
def draw(random: NDArray[np.uint64]) -> float:
    """Return the next uniform number in [0, 1) (xorshift64*, Vigna 2016, section 3)."""
    state = random[0]
    state ^= state >> np.uint64(12)
    state ^= state << np.uint64(25)
    state ^= state >> np.uint64(27)
    random[0] = state
    return np.float64((state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(11)) / 9007199254740992.0


@compiled
def _paint(search: Search, token: int, symbol: int) -> None:
    """Write a token's symbol into the text, leaving key and scores alone."""
    for index in range(search.starts[token], search.starts[token + 1]):
        search.text[search.places[index]] = symbol


@compiled
def _rescore_around(
    tables: Tables, search: Search, first: int, second: int, floor: float
) -> tuple[float, int]:
    """Rescore what depends on one or two tokens; returns the change and the number of positions.

    Stops early, with a partial sum, once the change falls below ``floor``.
    """
    one, one_end = search.starts[first], search.starts[first + 1]
    two, two_end = one_end, one_end
    if second >= 0:
        two, two_end = search.starts[second], search.starts[second + 1]
    length = len(search.text)
    change, count, begin = 0.0, 0, 0
    while (one < one_end or two < two_end) and change >= floor:
        if two >= two_end or (one < one_end and search.places[one] < search.places[two]):
            place = search.places[one]
            one += 1
        else:
            place = search.places[two]
            two += 1
        end = min(place + tables.order, length)
        for at in range(max(place, begin), end):
            score = np.float32(position_score(tables, search.text, at))
            search.touched[count] = at
            search.fresh[count] = score
            change += score - search.scores[at]
            count += 1
        begin = end
    return change, count


@compiled
def _entropy_term(count: int) -> float:
    return -count * np.log(count) if count > 0 else 0.0


@compiled
def _usage_change(search: Search, token: int, symbol: int) -> float:
    """Change of the emission likelihood when an ungrouped token moves to another symbol."""
    count = search.starts[token + 1] - search.starts[token]
    old, new = search.usage[search.key[token]], search.usage[symbol]
    return (
        _entropy_term(old - count) - _entropy_term(old) + _entropy_term(new + count) - _entropy_term(new)
    )


@compiled
def partner(search: Search, token: int, symbol: int) -> int:
    """Return the token that has to give up ``symbol``: -1 for none, -2 if the move is not allowed."""
    if search.fixed[token] or search.key[token] == symbol:
        return -2
    if search.groups[token] < 0:
        return -1
    other = search.holder[search.groups[token], symbol]
    if other >= 0 and search.fixed[other]:
        return -2
    return other


@compiled
def trial(
    tables: Tables, search: Search, token: int, symbol: int, other: int, floor: float
) -> tuple[float, int]:
    """Paint a move and return the change of the objective; ``settle`` must follow.

    A change below ``floor`` may be a partial sum, so such a move has to be rejected.
    """
    _paint(search, token, symbol)
    if other >= 0:
        _paint(search, other, search.key[token])
    usage = _usage_change(search, token, symbol) if search.groups[token] < 0 else 0.0
    change, count = _rescore_around(tables, search, token, other, floor - usage)
    return change + usage, count


@compiled
def settle(search: Search, token: int, symbol: int, other: int, count: int, accept: bool) -> None:
    """Make the move just tried permanent, or paint it away again."""
    old = search.key[token]
    if not accept:
        _paint(search, token, old)
        if other >= 0:
            _paint(search, other, symbol)
        return
    for index in range(count):
        search.scores[search.touched[index]] = search.fresh[index]
    search.key[token] = symbol
    if other >= 0:
        search.key[other] = old
    group = search.groups[token]
    if group >= 0:
        search.holder[group, symbol] = token
        search.holder[group, old] = other
    else:
        size = search.starts[token + 1] - search.starts[token]
        search.usage[old] -= size
        search.usage[symbol] += size


@compiled
def _propose(search: Search, quantiles: NDArray[np.uint8], token: int) -> int:
    """Draw a symbol that suits the neighbours of a random occurrence of the token."""
    size, steps = quantiles.shape[0], quantiles.shape[2]
    first, end = search.starts[token], search.starts[token + 1]
    place = search.places[first + np.int64(draw(search.random) * (end - first))]
    if place == 0 or place + 1 == len(search.text) or draw(search.random) < 0.1:
        return np.int64(draw(search.random) * size)
    before, after = search.text[place - 1], search.text[place + 1]
    return np.int64(quantiles[before, after, np.int64(draw(search.random) * steps)])


@compiled
def anneal(
    tables: Tables,
    search: Search,
    quantiles: NDArray[np.uint8],
    movable: NDArray[np.int64],
    temperatures: tuple[float, float],
    work: int,
) -> float:
    """Simulated annealing with a geometric temperature, until ``work`` positions are rescored."""
    hot, cold = temperatures
    done, temperature, total = 0, hot, 0.0
    while done < work:
        temperature = hot * (cold / hot) ** (done / work)
        for _ in range(32):
            token = movable[np.int64(draw(search.random) * len(movable))]
            symbol = _propose(search, quantiles, token)
            other = partner(search, token, symbol)
            done += 1
            if other == -2:
                continue
            least = temperature * np.log(1.0 - draw(search.random))
            change, count = trial(tables, search, token, symbol, other, least - _SLACK)
            accept = change >= least
            settle(search, token, symbol, other, count, accept)
            done += count
            if accept:
                total += change
    return total


@compiled
def descend(
    tables: Tables, search: Search, movable: NDArray[np.int64], sweeps: int, candidates: int
) -> float:
    """Give each token in turn its best symbol, until nothing changes or ``sweeps`` have passed.

    Only the ``candidates`` symbols that look best to the trigrams around the token are scored in full.
    """
    total = 0.0
    for _ in range(sweeps):
        before = total
        for token in movable:
            total += _improve(tables, search, token, candidates)
        if total - before < 1e-3:
            break
    return total


@compiled
def _appeal(tables: Tables, search: Search, token: int) -> NDArray[np.float64]:
    """Sum, for every symbol, the trigram scores it would get at the token's occurrences."""
    size, length = len(tables.unigram), len(search.text)
    sums = np.zeros(size)
    for index in range(search.starts[token], search.starts[token + 1]):
        at = search.places[index]
        if 2 <= at < length - 2:
            far, near = search.text[at - 2], search.text[at - 1]
            after, later = search.text[at + 1], search.text[at + 2]
            for symbol in range(size):
                sums[symbol] += (
                    tables.trigram[far, near, symbol]
                    + tables.trigram[near, symbol, after]
                    + tables.trigram[symbol, after, later]
                )
    return sums


@compiled
def _improve(tables: Tables, search: Search, token: int, candidates: int) -> float:
    """Move one token to the best of its candidate symbols; returns the gain, 0 if it stays."""
    best, choice = 1e-4, -1
    ranking = np.argsort(-_appeal(tables, search, token))
    for symbol in ranking[:candidates]:
        other = partner(search, token, symbol)
        if other != -2:
            change, count = trial(tables, search, token, symbol, other, best - _SLACK)
            settle(search, token, symbol, other, count, False)
            if change > best:
                best, choice = change, symbol
    if choice < 0:
        return 0.0
    other = partner(search, token, choice)
    change, count = trial(tables, search, token, choice, other, -np.inf)
    settle(search, token, choice, other, count, True)
    return change


@compiled
def fill_quantiles(bigram: NDArray[np.float32], quantiles: NDArray[np.uint8], flatten: float) -> None:
    """Fill ``quantiles[before, after]`` with symbols in proportion to their probability between the two."""
    size, steps = len(bigram), quantiles.shape[2]
    shares = np.empty(size)
    for before in range(size):
        for after in range(size):
            total = 0.0
            for symbol in range(size):
                total += np.exp(flatten * (bigram[before, symbol] + bigram[symbol, after]))
                shares[symbol] = total
            symbol = 0
            for step in range(steps):
                while shares[symbol] < (step + 0.5) / steps * total:
                    symbol += 1
                quantiles[before, after, step] = symbol
