"""Compiled inner loops of the substitution solver: incremental n-gram scores, annealing and local search.

All state is in the arrays of ``Search``; the functions do not allocate memory or use a global random generator.
They share one file because numba's cache only detects changes in the file that defines a function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks.substitution_state import Search, Tables

Integer = int | np.int64
_SLACK = 40.0
"""Scoring of a move stops when its change is this many nats below the limit; most moves are far below."""
_PATIENCE = 150.0
"""The same for joint moves in the local search, which may lose at many positions before they gain."""
_UNIFORM = 0.1
"""Probability that a proposed symbol ignores the neighbours."""
_EXCHANGES = 0.002
"""Probability that an annealing step exchanges two symbols in all groups at once."""
_RUN = 8
"""Minimum length of a stretch of text that is tried as a run of one symbol."""
_LEAST_GAIN = 0.5
"""Gain of a sweep in nats below which the local search passes to joint moves, or ends."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile a function with numba, keeping its declared type for the type checker.

    ``_nrt=False`` disables reference counting, which these functions do not need because they do not allocate. With it,
    a trigram score would take about 60 ns instead of 2.
    """
    return cast(_Function, njit(cache=True, nogil=True, _nrt=False)(function))


@_compiled
def _find(tables: Tables, wanted: Integer) -> Integer:
    """Return the slot of an n-gram in the model's hash table, or -1.

    Most n-grams that are looked up are not stored. ``tags`` tells this from a byte per slot, which stays in the cache.
    """
    key = np.uint64(wanted)
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> tables.shift)
    tag = np.uint8((mixed >> (tables.shift - np.uint64(7))) | np.uint64(128))
    while tables.tags[slot] != 0:
        if tables.tags[slot] == tag and tables.keys[slot] == key:
            return slot
        slot = (slot + 1) & (len(tables.tags) - 1)
    return np.int64(-1)


@_compiled
def _score_position(tables: Tables, text: NDArray[np.uint8], at: Integer) -> np.float32:
    """Return the log-probability of the symbol at one position given its predecessors."""
    if at >= 3 and tables.order > 3:
        score: np.float32 = _score_long_context(tables, text, at)
    elif at >= 2:
        score = tables.trigram[text[at - 2], text[at - 1], text[at]]
    elif at == 1:
        score = tables.bigram[text[0], text[1]]
    else:
        score = tables.unigram[text[0]]
    return score


@_compiled
def _score_long_context(tables: Tables, text: NDArray[np.uint8], at: Integer) -> np.float32:
    """Return the log-probability of the symbol at one position, using the longest context that is stored."""
    last, near = np.int64(text[at]), np.int64(text[at - 1])
    far, first = np.int64(text[at - 2]), np.int64(text[at - 3])
    size = np.int64(len(tables.unigram))
    gram = (far * size + near) * size + last
    context = (first * size + far) * size + near
    power = size * size * size
    score: np.float32 = tables.trigram[far, near, last]
    weight = tables.backoff[first, far, near]
    slot: Integer = np.int64(0)
    width, top = 4, min(tables.order, at + 1)
    while width <= top and weight <= 0:
        gram += np.int64(text[at - width + 1]) * power
        if slot >= 0:
            slot = _find(tables, gram + power * size)
        score = tables.values[slot, 0] if slot >= 0 else score + weight
        if width < top:
            context += np.int64(text[at - width]) * power
            power *= size
            above = _find(tables, context + power)
            weight = tables.values[above, 1] if above >= 0 else np.float32(1.0)
        width += 1
    return score


@_compiled
def rescore(tables: Tables, search: Search) -> float:
    """Recompute every score from the text, and return their sum in nats."""
    total = 0.0
    for at in range(len(search.text)):
        search.scores[at] = _score_position(tables, search.text, at)
        total += search.scores[at]
    return total


@_compiled
def _draw(random: NDArray[np.uint64]) -> float:
    """Return the next uniform number in [0, 1) (xorshift64*, Vigna 2016, section 3)."""
    state = random[0]
    state ^= state >> np.uint64(12)
    state ^= state << np.uint64(25)
    state ^= state >> np.uint64(27)
    random[0] = state
    return np.float64((state * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(11)) / 9007199254740992.0


@_compiled
def _paint(search: Search, token: Integer, symbol: Integer) -> None:
    """Write a symbol to all positions of a token in the text, without changing the key and the scores."""
    for index in range(search.starts[token], search.starts[token + 1]):
        search.text[search.places[index]] = symbol


@_compiled
def _rescore_around(tables: Tables, search: Search, first: Integer, second: Integer, floor: float) -> tuple[float, int]:
    """Rescore all positions that depend on one or two tokens, until the change falls below ``floor``.

    Returns:
        The change of the scores' sum, which is partial below ``floor``, and the number of rescored positions.
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
            score = np.float32(_score_position(tables, search.text, at))
            search.touched[count] = at
            search.fresh[count] = score
            change += score - search.scores[at]
            count += 1
        begin = end
    return change, count


@_compiled
def _entropy_term(count: Integer) -> float:
    return -count * np.log(count) if count > 0 else 0.0


@_compiled
def _usage_change(search: Search, giver: Integer, taker: Integer, count: Integer) -> float:
    """Return the change of the emission term if ``count`` ungrouped positions change from ``giver`` to ``taker``."""
    old, new = search.usage[giver], search.usage[taker]
    return _entropy_term(old - count) - _entropy_term(old) + _entropy_term(new + count) - _entropy_term(new)


@_compiled
def find_partner(search: Search, token: Integer, symbol: Integer) -> Integer:
    """Return the token of the same group that has ``symbol``; -1 if there is none, -2 if the move is not allowed."""
    if search.fixed[token] or search.key[token] == symbol:
        return -2
    if search.groups[token] < 0:
        return -1
    other = search.holder[search.groups[token], symbol]
    return -2 if other >= 0 and search.fixed[other] else other


@_compiled
def try_move(
    tables: Tables, search: Search, token: Integer, symbol: Integer, other: Integer, floor: float
) -> tuple[float, int]:
    """Write a move to the text and score it; ``settle_move`` must follow, to accept or to undo it.

    The move gives ``symbol`` to ``token``, whose old symbol goes to ``other`` if that is a token.

    Returns:
        The change of the objective, and the number of rescored positions. A change below ``floor`` may be partial, so
        such a move must be rejected.
    """
    old, usage = search.key[token], 0.0
    _paint(search, token, symbol)
    if other >= 0:
        _paint(search, other, old)
    if search.groups[token] < 0:
        usage = _usage_change(search, old, symbol, search.starts[token + 1] - search.starts[token])
    change, count = _rescore_around(tables, search, token, other, floor - usage)
    return change + usage, count


@_compiled
def settle_move(search: Search, token: Integer, symbol: Integer, other: Integer, count: Integer, accept: bool) -> None:
    """Accept the move of the last ``try_move``, or undo it in the text."""
    old, group = search.key[token], search.groups[token]
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
    if group >= 0:
        search.holder[group, symbol] = token
        search.holder[group, old] = other
    else:
        size = search.starts[token + 1] - search.starts[token]
        search.usage[old] -= size
        search.usage[symbol] += size


@_compiled
def _plan_exchange(search: Search, one: Integer, two: Integer) -> int:
    """Exchange two symbols in ``other_key`` and in the text, in every group where neither is known.

    Returns:
        Net number of ungrouped positions that change from ``two`` to ``one``.
    """
    moved = 0
    for token in range(len(search.key)):
        old, group = search.key[token], search.groups[token]
        search.other_key[token] = old
        if search.fixed[token] or (old != one and old != two):
            continue
        new = one + two - old
        if group >= 0 and search.holder[group, new] >= 0 and search.fixed[search.holder[group, new]]:
            continue
        search.other_key[token] = new
        _paint(search, token, new)
        if group < 0:
            size = search.starts[token + 1] - search.starts[token]
            moved += size if new == one else -size
    return moved


@_compiled
def _settle_exchange(search: Search, count: Integer, accept: bool) -> None:
    """Accept ``other_key`` as the key, or undo it in the text."""
    for token in range(len(search.key)):
        if search.other_key[token] == search.key[token]:
            continue
        if not accept:
            _paint(search, token, search.key[token])
        elif search.groups[token] >= 0:
            # If another token of the group takes this symbol, the second loop sets this cell again.
            search.holder[search.groups[token], search.key[token]] = -1
    if accept:
        for token in range(len(search.key)):
            search.key[token] = search.other_key[token]
            if search.groups[token] >= 0:
                search.holder[search.groups[token], search.key[token]] = token
        for index in range(count):
            search.scores[search.touched[index]] = search.fresh[index]


@_compiled
def _score_other_key(tables: Tables, search: Search, change: float, floor: float) -> tuple[float, int]:
    """Rescore the text after ``other_key`` was written to it, until the change falls below ``floor``.

    Returns:
        ``change`` plus the change of the scores' sum, and the number of rescored positions.
    """
    count, begin = 0, 0
    for place in range(len(search.text)):
        token = search.tokens[place]
        if search.other_key[token] == search.key[token]:
            continue
        end = min(place + tables.order, len(search.text))
        for at in range(max(place, begin), end):
            score = np.float32(_score_position(tables, search.text, at))
            search.touched[count] = at
            search.fresh[count] = score
            change += score - search.scores[at]
            count += 1
        begin = end
        if change < floor:
            break
    return change, count


@_compiled
def exchange(
    tables: Tables, search: Search, one: Integer, two: Integer, least: float, slack: float
) -> tuple[float, int]:
    """Exchange two symbols in all groups at once if the objective changes by ``least`` or more.

    No single swap can correct two symbols that are confused in several groups.

    Returns:
        The change of the objective, 0 if the exchange is rejected, and the number of rescored positions.
    """
    moved = _plan_exchange(search, one, two)
    change, count = _score_other_key(tables, search, _usage_change(search, two, one, moved), least - slack)
    accept = count > 0 and change >= least
    _settle_exchange(search, count, accept)
    if accept:
        search.usage[one] += moved
        search.usage[two] -= moved
    return (change if accept else 0.0), count


@_compiled
def unify(tables: Tables, search: Search, first: Integer, end: Integer, symbol: Integer) -> float:
    """Give one symbol to all grouped tokens of a stretch if this raises the objective; return the gain, otherwise 0."""
    for token in range(len(search.key)):
        search.other_key[token] = search.key[token]
    for place in range(first, end):
        token = search.tokens[place]
        other = find_partner(search, token, symbol)
        if other == -2 or search.groups[token] < 0 or search.other_key[token] == symbol:
            continue
        search.other_key[token] = symbol
        _paint(search, token, symbol)
        if other >= 0:
            search.other_key[other] = search.key[token]
            _paint(search, other, search.key[token])
    change, count = _score_other_key(tables, search, 0.0, -_PATIENCE)
    accept = count > 0 and change >= 1e-3
    _settle_exchange(search, count, accept)
    return change if accept else 0.0


@_compiled
def find_stretch_end(search: Search, first: Integer) -> Integer:
    """Return the end of the longest stretch from ``first`` that can be a run of one symbol.

    In such a stretch all tokens have groups, and each group has only one token.
    """
    end = first
    search.member[:] = -1
    while end < len(search.tokens):
        token = search.tokens[end]
        group = search.groups[token]
        if group < 0 or (search.member[group] >= 0 and search.member[group] != token):
            break
        search.member[group] = token
        end += 1
    return end


@_compiled
def _unify_runs(tables: Tables, search: Search) -> float:
    """Try every symbol for every stretch that can be a run such as ``-----``; return the total gain.

    The tokens of a run must change together, since the language model does not reward a part of a run.
    """
    gain, length = 0.0, len(search.tokens)
    first: Integer = np.int64(0)
    while first < length:
        end = find_stretch_end(search, first)
        if end - first >= max(_RUN, 2 * len(search.member)):
            for symbol in range(len(search.appeal)):
                gain += unify(tables, search, first, end, symbol)
        first = max(end, first + 1)
    return gain


@_compiled
def _propose(search: Search, quantiles: NDArray[np.uint8], token: Integer) -> Integer:
    """Draw a symbol that suits the neighbours of a random occurrence of the token."""
    size, steps = quantiles.shape[0], quantiles.shape[2]
    first, end = search.starts[token], search.starts[token + 1]
    place = search.places[first + np.int64(_draw(search.random) * (end - first))]
    if place == 0 or place + 1 == len(search.text) or _draw(search.random) < _UNIFORM:
        return np.int64(_draw(search.random) * size)
    before, after = search.text[place - 1], search.text[place + 1]
    return np.int64(quantiles[before, after, np.int64(_draw(search.random) * steps)])


@_compiled
def _step(tables: Tables, search: Search, quantiles: NDArray[np.uint8], token: Integer, temperature: float) -> int:
    """Try one random move and accept it by the Metropolis rule; return the number of rescored positions."""
    symbol = _propose(search, quantiles, token)
    least = temperature * np.log(1.0 - _draw(search.random))
    if _draw(search.random) < _EXCHANGES:
        if symbol == search.key[token]:
            return 0
        return exchange(tables, search, search.key[token], symbol, least, _SLACK)[1]
    other = find_partner(search, token, symbol)
    if other == -2:
        return 0
    change, count = try_move(tables, search, token, symbol, other, least - _SLACK)
    settle_move(search, token, symbol, other, count, change >= least)
    return count


@_compiled
def anneal(
    tables: Tables,
    search: Search,
    quantiles: NDArray[np.uint8],
    movable: NDArray[np.int64],
    hot: float,
    cold: float,
    work: int,
) -> None:
    """Run simulated annealing (Kirkpatrick, Gelatt and Vecchi 1983), in place.

    The temperature falls geometrically from ``hot`` to ``cold``, both in nats. Annealing ends when the number of steps
    plus rescored positions reaches ``work``.
    """
    done, temperature = 0, hot
    while done < work:
        temperature = hot * (cold / hot) ** (done / work)
        for _ in range(32):
            token = movable[np.int64(_draw(search.random) * len(movable))]
            done += 1 + _step(tables, search, quantiles, token, temperature)


@_compiled
def descend(tables: Tables, search: Search, movable: NDArray[np.int64], sweeps: int, candidates: int) -> None:
    """Improve the key by local search, in place: give each token its best symbol, for up to ``sweeps`` sweeps.

    Only the ``candidates`` symbols with the best trigram scores are scored in full. Once this gains next to nothing,
    joint moves follow: exchanges of two symbols in all groups, and runs of one symbol. The search ends when they, too,
    gain next to nothing.
    """
    for _ in range(sweeps):
        gain = 0.0
        for token in movable:
            gain += _improve(tables, search, token, candidates)
        if gain < _LEAST_GAIN:
            gain += _exchange_all(tables, search, candidates) + _unify_runs(tables, search)
        if gain < _LEAST_GAIN:
            break


@_compiled
def _exchange_all(tables: Tables, search: Search, candidates: int) -> float:
    """Try to exchange each symbol of the text with its best candidates in all groups; return the total gain."""
    gain = 0.0
    for one in range(len(search.appeal)):
        search.appeal[:] = 0.0
        for at in range(len(search.text)):
            if search.text[at] == one:
                _add_appeal(tables, search, at)
        for _ in range(candidates):
            two = np.argmax(search.appeal)
            if search.appeal[two] == 0.0:  # the text does not have the symbol
                break
            search.appeal[two] = -np.inf
            if two != one:
                gain += exchange(tables, search, one, two, 1e-3, _PATIENCE)[0]
    return gain


@_compiled
def _rate_symbols(tables: Tables, search: Search, token: Integer) -> None:
    """Write to ``appeal``, for every symbol, the sum of its trigram scores at the token's occurrences."""
    search.appeal[:] = 0.0
    for index in range(search.starts[token], search.starts[token + 1]):
        _add_appeal(tables, search, search.places[index])


@_compiled
def _add_appeal(tables: Tables, search: Search, at: Integer) -> None:
    """Add the trigram scores of every symbol at one position to ``appeal``; the ends of the text add nothing."""
    if 2 <= at < len(search.text) - 2:
        far, near = search.text[at - 2], search.text[at - 1]
        after, later = search.text[at + 1], search.text[at + 2]
        for symbol in range(len(search.appeal)):
            search.appeal[symbol] += (
                tables.trigram[far, near, symbol]
                + tables.trigram[near, symbol, after]
                + tables.trigram[symbol, after, later]
            )


@_compiled
def _improve(tables: Tables, search: Search, token: Integer, candidates: int) -> float:
    """Give one token the best of its candidate symbols; return the gain, 0 if its symbol stays."""
    old, best = search.key[token], 1e-3
    choice = old
    _rate_symbols(tables, search, token)
    for turn in range(candidates + 1):
        # The last turn makes the best move; it is skipped if the token keeps its symbol.
        last = turn == candidates
        symbol = choice if last else np.argmax(search.appeal)
        search.appeal[symbol] = -np.inf
        other = find_partner(search, token, symbol)
        if other == -2:
            continue
        change, count = try_move(tables, search, token, symbol, other, -np.inf if last else best - _SLACK)
        settle_move(search, token, symbol, other, count, last)
        if change > best and not last:
            best, choice = change, symbol
    return best if choice != old else 0.0


@_compiled
def fill_quantiles(
    bigram: NDArray[np.float32], quantiles: NDArray[np.uint8], flatten: float, shares: NDArray[np.float64]
) -> None:
    """Fill ``quantiles[before, after]`` with symbols, each in proportion to its probability between the neighbours.

    Args:
        bigram: Shape ``(A, A)``; log-probability of the last index given the first.
        quantiles: Shape ``(A, A, steps)``; output.
        flatten: Exponent of the probabilities.
        shares: memory to work in, shape (A,).
    """
    size, steps = len(bigram), quantiles.shape[2]
    for before in range(size):
        for after in range(size):
            total = 0.0
            for symbol in range(size):
                total += np.exp(flatten * (bigram[before, symbol] + bigram[symbol, after]))
                shares[symbol] = total
            symbol = 0
            for step in range(steps):
                while symbol < size - 1 and shares[symbol] < (step + 0.5) / steps * total:
                    symbol += 1
                quantiles[before, after, step] = symbol
