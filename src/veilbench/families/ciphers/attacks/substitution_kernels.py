"""Compiled inner loops of the substitution solver: incremental n-gram scores, annealing and descent.

All state lives in arrays that the caller owns; nothing here allocates or touches a global random generator.
The loops share one file because the compiler's cache only notices changes of the file a function stands in.
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
"""Nats by which a partly scored move may fall short before it is abandoned; most moves are hopeless."""
_PATIENCE = 150.0
"""The same for joint moves in the final descent: a good one may start with many positions against it."""
_UNIFORM = 0.1
"""Share of proposals that ignore the neighbours."""
_EXCHANGES = 0.002
"""Share of annealing steps that exchange two symbols in all groups at once."""
_RUN = 8
"""Shortest stretch of text that is tried as a run of one symbol."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile one function, keeping its declared type for the type checker.

    Without ``_nrt=False`` every call counts references to every array it passes on, which costs more than the
    scores themselves (about 60 against 2 ns per trigram); nothing here allocates, so nothing needs counting.
    """
    return cast(_Function, njit(cache=True, nogil=True, _nrt=False)(function))


@_compiled
def _find(keys: NDArray[np.uint64], shift: np.uint64, wanted: Integer) -> Integer:
    """Return the slot of an n-gram in the model's hash table, or -1."""
    name = np.uint64(wanted)
    slot = np.int64((name * np.uint64(0x9E3779B97F4A7C15)) >> shift)
    while keys[slot] != name and keys[slot] != 0:
        slot = (slot + 1) & (len(keys) - 1)
    return slot if keys[slot] == name else -1


@_compiled
def _position_score(tables: Tables, text: NDArray[np.uint8], at: Integer) -> np.float32:
    """Log-probability of the symbol at one position given its predecessors."""
    if at >= 3 and tables.order > 3:
        score: np.float32 = _long_score(tables, text, at)
    elif at >= 2:
        score = tables.trigram[text[at - 2], text[at - 1], text[at]]
    elif at == 1:
        score = tables.bigram[text[0], text[1]]
    else:
        score = tables.unigram[text[0]]
    return score


@_compiled
def _long_score(tables: Tables, text: NDArray[np.uint8], at: Integer) -> np.float32:
    """Extend a trigram score for as long as the context occurs in the statistics."""
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
            slot = _find(tables.keys, tables.shift, gram + power * size)
        score = tables.values[slot, 0] if slot >= 0 else score + weight
        if width < top:
            context += np.int64(text[at - width]) * power
            power *= size
            above = _find(tables.keys, tables.shift, context + power)
            weight = tables.values[above, 1] if above >= 0 else np.float32(1.0)
        width += 1
    return score


@_compiled
def rescore(tables: Tables, search: Search) -> float:
    """Recompute every score from the text; returns their sum in nats."""
    total = 0.0
    for at in range(len(search.text)):
        search.scores[at] = _position_score(tables, search.text, at)
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
    """Write a token's symbol into the text, leaving key and scores alone."""
    for index in range(search.starts[token], search.starts[token + 1]):
        search.text[search.places[index]] = symbol


@_compiled
def _rescore_around(tables: Tables, search: Search, first: Integer, second: Integer, floor: float) -> tuple[float, int]:
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
            score = np.float32(_position_score(tables, search.text, at))
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
    """Change of the emission likelihood when ``count`` ungrouped positions move to another symbol."""
    old, new = search.usage[giver], search.usage[taker]
    return _entropy_term(old - count) - _entropy_term(old) + _entropy_term(new + count) - _entropy_term(new)


@_compiled
def partner(search: Search, token: Integer, symbol: Integer) -> Integer:
    """Return the token that has to give up ``symbol``: -1 for none, -2 if the move is not allowed."""
    if search.fixed[token] or search.key[token] == symbol:
        return -2
    if search.groups[token] < 0:
        return -1
    other = search.holder[search.groups[token], symbol]
    return -2 if other >= 0 and search.fixed[other] else other


@_compiled
def trial(
    tables: Tables, search: Search, token: Integer, symbol: Integer, other: Integer, floor: float
) -> tuple[float, int]:
    """Paint a move and return the change of the objective; ``settle`` must follow.

    A change below ``floor`` may be a partial sum, so such a move has to be rejected.
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
def settle(search: Search, token: Integer, symbol: Integer, other: Integer, count: Integer, accept: bool) -> None:
    """Make the move just tried permanent, or paint it away again."""
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
    """Write to ``other_key`` the key after exchanging two symbols in every group that is free to do so.

    Returns:
        Positions of ungrouped tokens that ``two`` loses to ``one``, net.
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
    """Take over ``other_key``, or paint it away again."""
    for token in range(len(search.key)):
        if search.other_key[token] == search.key[token]:
            continue
        if not accept:
            _paint(search, token, search.key[token])
        elif search.groups[token] >= 0:
            # Where the group's other token moves here as well, the second loop restores this cell.
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
    """Rescore the text painted with ``other_key``; adds to ``change``, gives up below ``floor``."""
    count, begin = 0, 0
    for place in range(len(search.text)):
        token = search.tokens[place]
        if search.other_key[token] == search.key[token]:
            continue
        end = min(place + tables.order, len(search.text))
        for at in range(max(place, begin), end):
            score = np.float32(_position_score(tables, search.text, at))
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

    A symbol that is wrong in several groups at once cannot be put right by any single swap.

    Returns:
        The change made, 0 if none, and the number of positions rescored.
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
    """Give all grouped tokens of a stretch one symbol if that helps; returns the gain, 0 if it does not."""
    for token in range(len(search.key)):
        search.other_key[token] = search.key[token]
    for place in range(first, end):
        token = search.tokens[place]
        other = partner(search, token, symbol)
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
def stretch_end(search: Search, first: Integer) -> Integer:
    """Return how far a text can go on from ``first`` with one symbol: each group shows only one token."""
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
    """Try every symbol for every stretch that looks like a run such as ``-----``; returns the gain.

    A run mixes one token of every group, and half a run is worth nothing to the model, so the tokens have to
    move together.
    """
    gain, length = 0.0, len(search.tokens)
    first: Integer = np.int64(0)
    while first < length:
        end = stretch_end(search, first)
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
    """Try one random move under the Metropolis rule; returns the number of positions rescored."""
    symbol = _propose(search, quantiles, token)
    least = temperature * np.log(1.0 - _draw(search.random))
    if _draw(search.random) < _EXCHANGES:
        if symbol == search.key[token]:
            return 0
        return exchange(tables, search, search.key[token], symbol, least, _SLACK)[1]
    other = partner(search, token, symbol)
    if other == -2:
        return 0
    change, count = trial(tables, search, token, symbol, other, least - _SLACK)
    settle(search, token, symbol, other, count, change >= least)
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
    """Anneal with a geometric temperature until ``work`` steps and rescored positions are spent.

    The temperatures ``hot`` and ``cold`` are in nats (Kirkpatrick, Gelatt and Vecchi 1983).
    """
    done, temperature = 0, hot
    while done < work:
        temperature = hot * (cold / hot) ** (done / work)
        for _ in range(32):
            token = movable[np.int64(_draw(search.random) * len(movable))]
            done += 1 + _step(tables, search, quantiles, token, temperature)


@_compiled
def descend(tables: Tables, search: Search, movable: NDArray[np.int64], sweeps: int, candidates: int) -> None:
    """Give each token in turn its best symbol, until nothing changes or ``sweeps`` have passed.

    Only the ``candidates`` symbols that look best to the trigrams around the token are scored in full.  Every
    sweep ends with joint moves: exchanges of two symbols in all groups at once, and runs of one symbol.
    """
    for _ in range(sweeps):
        gain = 0.0
        for token in movable:
            gain += _improve(tables, search, token, candidates)
        for one in range(len(search.appeal)):
            for two in range(one):
                gain += exchange(tables, search, one, two, 1e-3, _PATIENCE)[0]
        gain += _unify_runs(tables, search)
        if gain < 1e-3:
            break


@_compiled
def _rate_symbols(tables: Tables, search: Search, token: Integer) -> None:
    """Sum, for every symbol, the trigram scores it would get at the token's occurrences."""
    search.appeal[:] = 0.0
    for index in range(search.starts[token], search.starts[token + 1]):
        at = search.places[index]
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
    """Move one token to the best of its candidate symbols; returns the gain, 0 if it stays."""
    old, best = search.key[token], 1e-3
    choice = old
    _rate_symbols(tables, search, token)
    for turn in range(candidates + 1):
        # The last turn makes the best move; a token that stays has no partner and is passed over.
        last = turn == candidates
        symbol = choice if last else np.argmax(search.appeal)
        search.appeal[symbol] = -np.inf
        other = partner(search, token, symbol)
        if other == -2:
            continue
        change, count = trial(tables, search, token, symbol, other, -np.inf if last else best - _SLACK)
        settle(search, token, symbol, other, count, last)
        if change > best and not last:
            best, choice = change, symbol
    return best if choice != old else 0.0


@_compiled
def fill_quantiles(
    bigram: NDArray[np.float32], quantiles: NDArray[np.uint8], flatten: float, shares: NDArray[np.float64]
) -> None:
    """Fill ``quantiles[before, after]`` with symbols in proportion to their probability between the two."""
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
