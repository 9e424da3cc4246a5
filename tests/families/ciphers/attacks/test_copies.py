"""Hidden members of a known number: each symbol has at most so many tokens, and the search makes use of it."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from veilbench.families.ciphers.attacks.copies import check_copies, deal_groups, share_out
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution import solve
from veilbench.families.ciphers.attacks.substitution_state import Puzzle, build_puzzle

SIZE = 4


def made_puzzle(known: dict[int, int], groups: dict[int, int]) -> tuple[Puzzle, np.ndarray, NGramModel]:
    """Return a puzzle of six tokens with some known or grouped, a random key that keeps them, and the model."""
    rng = np.random.default_rng(3)
    model = NGramModel.fit((np.cumsum(rng.integers(0, 3, 300)) % SIZE).astype(np.uint8), 4, SIZE)
    held, rows, key = np.full(6, -1), np.full(6, -1), rng.integers(0, SIZE, 6)
    for token, symbol in known.items():
        held[token] = key[token] = symbol
    for token, group in groups.items():
        rows[token] = group
    return build_puzzle(rng.integers(0, 6, 60), rows, model, held), key, model


def rate(puzzle: Puzzle, key: np.ndarray, model: NGramModel, token: int, symbol: int) -> float:
    """Sum the log-probabilities of the trigrams around a token's places, one by one."""
    text, total = key[puzzle.tokens], 0.0
    for place in range(2, len(text) - 2):
        if puzzle.tokens[place] == token:
            a, b, c, d = (text[place + step] for step in (-2, -1, 1, 2))
            total += model.trigram[a, b, symbol] + model.trigram[b, symbol, c] + model.trigram[symbol, c, d]
    return total


@pytest.mark.parametrize(("known", "groups"), [({}, {}), ({0: 1, 5: 1}, {}), ({2: 3}, {4: 0, 5: 0})])
def test_symbols_are_shared_out_as_the_best_assignment_does(known: dict[int, int], groups: dict[int, int]) -> None:
    puzzle, key, model = made_puzzle(known, groups)
    shared = share_out(puzzle, key, 2)
    loose = [token for token in range(6) if token not in groups]
    free = [token for token in loose if token not in known]
    ratings = {token: [rate(puzzle, key, model, token, symbol) for symbol in range(SIZE)] for token in free}
    slots = list((Counter(dict.fromkeys(range(SIZE), 2)) - Counter(known.values())).elements())
    best = max(sum(ratings[t][s] for t, s in zip(free, c, strict=True)) for c in set(permutations(slots, len(free))))
    assert sum(ratings[token][shared[token]] for token in free) == pytest.approx(best, rel=1e-5)
    assert max(Counter(shared[loose].tolist()).values()) <= 2
    assert {token: shared[token] for token in known} == known
    assert all(shared[token] == key[token] for token in groups)


def test_dealt_groups_are_code_books_and_differ_from_deal_to_deal() -> None:
    puzzle, key, _ = made_puzzle({}, {4: 0, 5: 0})
    key, rng = share_out(puzzle, key, 2), np.random.default_rng(0)
    dealt = [deal_groups(puzzle, key, 2, rng).groups for _ in range(20)]
    for groups in dealt:
        assert groups[4:].tolist() == [0, 0]
        assert set(groups[:4]) <= {1, 2}
        assert len(set(zip(groups[:4].tolist(), key[:4].tolist(), strict=True))) == 4
    assert len({tuple(groups) for groups in dealt}) > 1


@pytest.mark.parametrize(("copies", "known", "least"), [(0, {}, 2), (1, {}, 2), (2, {0: 3, 1: 3, 2: 3}, 3)])
def test_too_few_copies_are_named(copies: int, known: dict[int, int], least: int) -> None:
    puzzle, _, model = made_puzzle(known, {})
    with pytest.raises(ValueError, match=f"copies is {copies}; allowed are {least} and more"):
        solve(puzzle.tokens, puzzle.groups, model, known=puzzle.known, copies=copies)
    check_copies(puzzle, least)


def test_a_key_found_with_copies_has_no_symbol_too_often() -> None:
    rng = np.random.default_rng(0)
    plain = np.where(np.arange(400) % 2, rng.integers(1, SIZE, 400), 0).astype(np.uint8)
    tokens = np.where(plain, plain + 2, rng.integers(0, 3, 400))  # three tokens for the symbol 0, one for each other
    model, loose = NGramModel.fit(plain, 4, SIZE), np.full(6, -1)
    known = np.where(np.arange(6) == 5, 3, -1)
    free = solve(tokens, loose, model, known=known, restarts=0, effort=0.05)
    held = solve(tokens, loose, model, known=known, restarts=0, effort=0.05, copies=2)
    assert max(Counter(free.tolist()).values()) > 2
    assert max(Counter(held.tolist()).values()) <= 2
    assert held[5] == 3
