"""The substitution solver: exactness of its increments, constraints, known answers and negative controls."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from pydoc_data.topics import topics

import numpy as np
import pytest
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks import substitution
from veilbench.families.ciphers.attacks import substitution_kernels as kernels
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution import solve
from veilbench.families.ciphers.attacks.substitution_state import (
    Puzzle,
    Search,
    build_puzzle,
    initialise_key,
    start_search,
)

SIZE = 91
Tokens = NDArray[np.int64]


def english(names: list[str]) -> NDArray[np.uint8]:
    joined = re.sub(r"\s+", " ", " ".join(topics[name] for name in names))
    codes = np.frombuffer(joined.encode("ascii", "ignore"), dtype=np.uint8)
    return codes[(codes >= 32) & (codes < 32 + SIZE)] - np.uint8(32)


@pytest.fixture(scope="module")
def target() -> NDArray[np.uint8]:
    return english(["typesmodules", "objects", "execmodel"])[:3000]


@pytest.fixture(scope="module")
def model(target: NDArray[np.uint8]) -> NGramModel:
    others = sorted(set(topics) - {"typesmodules", "objects", "execmodel"})
    return NGramModel.fit(english(others), 5)


def encipher(plain: NDArray[np.uint8], members: int, size: int, seed: int) -> tuple[Tokens, Tokens, Tokens]:
    """Return tokens, the member of every token and the true symbol of every token."""
    generator = np.random.default_rng(seed)
    member = generator.integers(0, members, len(plain))
    books = np.stack([generator.permutation(size) for _ in range(members)])
    names, tokens = np.unique(member * size + books[member, plain], return_inverse=True)
    truth = np.zeros(len(names), dtype=np.int64)
    truth[tokens] = plain
    return tokens.astype(np.int64), (names // size).astype(np.int64), truth


def is_bijective(key: Tokens, groups: Tokens) -> bool:
    return all(len(set(key[groups == g])) == int((groups == g).sum()) for g in set(groups.tolist()) - {-1})


def objective(tokens: Tokens, groups: Tokens, model: NGramModel, key: Tokens) -> float:
    """What the search maximises: the text's log-likelihood, plus that of the ungrouped tokens given their symbols."""
    loose = Counter(key[tokens[groups[tokens] < 0]].tolist())
    likelihood = float(model.score_symbols(key[tokens].astype(np.uint8)).sum())
    return likelihood - sum(count * math.log(count) for count in loose.values())


def small_case(order: int, loose: bool) -> tuple[Puzzle, Search, NGramModel]:
    """A random search state over seven symbols and three members, the last optionally without group."""
    generator = np.random.default_rng(order)
    plain = (np.cumsum(generator.integers(0, 3, 200)) % 7).astype(np.uint8)
    small = NGramModel.fit(plain, order, 7)
    tokens, groups, _ = encipher(plain, 3, 7, seed=order)
    groups = np.where(groups == 2, -1, groups) if loose else groups
    puzzle = build_puzzle(tokens, groups, small, None)
    search = start_search(puzzle, initialise_key(puzzle, generator), tokens, generator)
    kernels.rescore(puzzle.tables, search)
    return puzzle, search, small


@pytest.mark.parametrize("order", [2, 3, 4, 6])
@pytest.mark.parametrize("loose", [False, True])
def test_increments_equal_full_recomputation(order: int, loose: bool) -> None:
    puzzle, search, small = small_case(order, loose)
    generator = np.random.default_rng(9)
    score = objective(puzzle.tokens, puzzle.groups, small, search.key)
    for step in range(200):
        token, symbol = int(generator.integers(len(search.key))), int(generator.integers(7))
        other = kernels.find_partner(search, token, symbol)
        if other == -2:
            continue
        change, count = kernels.try_move(puzzle.tables, search, token, symbol, other, -np.inf)
        kernels.settle_move(search, token, symbol, other, count, step % 3 > 0)
        after = objective(puzzle.tokens, puzzle.groups, small, search.key)
        assert after - score == pytest.approx(change if step % 3 else 0.0, abs=2e-3)
        score = after
        np.testing.assert_array_equal(search.text, search.key[puzzle.tokens])
        np.testing.assert_allclose(search.scores, small.score_symbols(search.text), atol=2e-5)
        assert is_bijective(search.key, puzzle.groups)


@pytest.mark.parametrize("loose", [False, True])
def test_joint_exchanges_report_their_gain_and_undo_themselves(loose: bool) -> None:
    puzzle, search, small = small_case(4, loose)
    search.fixed[:2] = True
    for one, two in itertools.permutations(range(7), 2):
        before, old = objective(puzzle.tokens, puzzle.groups, small, search.key), search.key.copy()
        gain, _ = kernels.exchange(puzzle.tables, search, one, two, 1e-3, 40.0)
        after = objective(puzzle.tokens, puzzle.groups, small, search.key)
        assert after - before == pytest.approx(gain, abs=2e-3)
        assert gain > 0 or (search.key == old).all()
        assert (search.key[:2] == old[:2]).all()
        assert is_bijective(search.key, puzzle.groups)
        np.testing.assert_array_equal(search.text, search.key[puzzle.tokens])
        expected = np.full_like(search.holder, -1)
        inside = np.flatnonzero(puzzle.groups >= 0)
        expected[puzzle.groups[inside], search.key[inside]] = inside
        np.testing.assert_array_equal(search.holder, expected)


def test_joint_moves_correct_symbols_that_are_exchanged_in_all_groups(
    model: NGramModel, target: NDArray[np.uint8]
) -> None:
    tokens, groups, truth = encipher(target[:1500], 4, SIZE, seed=8)
    puzzle = build_puzzle(tokens, groups, model, None)
    one, two = (ord(c) - 32 for c in "eo")
    exchanged = np.where(truth == one, two, np.where(truth == two, one, truth))
    search = start_search(puzzle, exchanged, puzzle.tokens, np.random.default_rng(0))
    before = kernels.rescore(puzzle.tables, search)
    gain = kernels._exchange_all(puzzle.tables, search, 12)
    assert kernels.rescore(puzzle.tables, search) - before == pytest.approx(gain, rel=1e-4)
    assert (search.key[tokens] == truth[tokens]).mean() > 0.98 > (exchanged[tokens] == truth[tokens]).mean()


def test_other_case_keeps_known_tokens_and_bijections(model: NGramModel) -> None:
    groups = np.array([0, 0, 0, 1, 1, -1, -1])
    key = np.array([ord(c) - 32 for c in "aAbcDef"])
    known = np.array([ord("a") - 32, -1, -1, -1, -1, -1, ord("f") - 32])
    puzzle = build_puzzle(np.arange(7), groups, model, known)
    twin = substitution._exchange_symbols(puzzle, key, substitution._list_joint_moves(puzzle, key)[0])
    assert "".join(chr(32 + symbol) for symbol in twin) == "aABCdEf"


def test_finds_the_optimum_of_a_tiny_alphabet() -> None:
    generator = np.random.default_rng(0)
    plain = generator.choice(5, 400, p=[0.4, 0.25, 0.2, 0.1, 0.05]).astype(np.uint8)
    plain[1:][plain[:-1] == 1] = 3
    small = NGramModel.fit(plain[200:], 3, 5)
    tokens, groups, _ = encipher(plain[:60], 1, 5, seed=1)
    keys = [np.array(key) for key in itertools.permutations(range(5), len(groups))]
    best = max(objective(tokens, groups, small, key) for key in keys)
    found = solve(tokens, groups, small, restarts=2, effort=0.05)
    assert objective(tokens, groups, small, found) == pytest.approx(best, abs=1e-6)


def test_recovers_a_simple_substitution(model: NGramModel, target: NDArray[np.uint8]) -> None:
    tokens, groups, truth = encipher(target[:1500], 1, SIZE, seed=2)
    key = solve(tokens, groups, model, seed=3)
    assert (key[tokens] == truth[tokens]).mean() > 0.95
    assert is_bijective(key, groups)


def test_recovers_two_members_together_and_repeats_itself(model: NGramModel, target: NDArray[np.uint8]) -> None:
    tokens, groups, truth = encipher(target[:2000], 2, SIZE, seed=4)
    groups = groups * 5 + 2  # Any non-negative numbers may name the groups.
    state = str(np.random.get_state())
    key = solve(tokens, groups, model, restarts=2, seed=1)
    assert (key[tokens] == truth[tokens]).mean() > 0.95
    assert is_bijective(key, groups)
    np.testing.assert_array_equal(key, solve(tokens, groups, model, restarts=2, seed=1))
    assert state == str(np.random.get_state())


def test_known_entries_stay_and_help(model: NGramModel, target: NDArray[np.uint8]) -> None:
    tokens, groups, truth = encipher(target[:400], 4, SIZE, seed=5)
    known = np.where(np.random.default_rng(0).random(len(truth)) < 0.5, truth, -1)
    key = solve(tokens, groups, model, known=known, restarts=2, effort=0.5)
    np.testing.assert_array_equal(key[known >= 0], truth[known >= 0])
    assert is_bijective(key, groups)
    assert (key[tokens] == truth[tokens]).mean() > 0.9
    wrong = np.where(known >= 0, (known + 1) % SIZE, -1)
    kept = solve(tokens, groups, model, known=wrong, restarts=1, effort=0.05)
    np.testing.assert_array_equal(kept[wrong >= 0], wrong[wrong >= 0])
    np.testing.assert_array_equal(solve(tokens, groups, model, known=truth), truth)


@pytest.mark.parametrize("coarse", [True, False])
def test_annealing_starts_with_low_orders_only_if_it_is_coarse(coarse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    puzzle, _, small = small_case(6, loose=True)
    orders, anneal = [], kernels.anneal
    monkeypatch.setattr(kernels, "anneal", lambda tables, *rest: (orders.append(tables.order), anneal(tables, *rest)))
    solve(puzzle.tokens, puzzle.groups, small, restarts=1, effort=0.001, coarse=coarse)
    assert (min(orders) < 6) == coarse


@pytest.mark.parametrize("finish", [True, False])
def test_the_best_key_is_annealed_again_only_to_finish_it(finish: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    puzzle, _, small = small_case(6, loose=True)
    runs, anneal = [], kernels.anneal
    monkeypatch.setattr(kernels, "anneal", lambda *given: (runs.append(given), anneal(*given)))
    key = solve(puzzle.tokens, puzzle.groups, small, restarts=0, effort=0.001, finish=finish)
    assert key.shape == puzzle.groups.shape
    assert (len(runs) == 1) == (not finish)


def test_annealing_with_all_orders_solves_a_homophonic_cipher() -> None:
    generator = np.random.default_rng(5)
    words = [generator.integers(0, 12, 5) for _ in range(20)]
    text = np.concatenate([words[i] for i in generator.integers(0, 20, 2_000)]).astype(np.uint8)
    small, plain = NGramModel.fit(text[300:], 6, 12), text[:300]
    tokens, groups, truth = encipher(plain, 3, 12, seed=7)
    key = solve(tokens, np.full_like(groups, -1), small, restarts=1, effort=0.05, coarse=False)
    assert (key[tokens] == truth[tokens]).mean() > 0.95


def test_tokens_without_group_may_exceed_the_alphabet(model: NGramModel, target: NDArray[np.uint8]) -> None:
    tokens, groups, truth = encipher(target[:2000], 2, SIZE, seed=6)
    assert len(groups) > SIZE
    key = solve(tokens, np.full_like(groups, -1), model, restarts=3)
    assert (key[tokens] == truth[tokens]).mean() > 0.85


@pytest.mark.parametrize("loose", [False, True])
def test_random_tokens_reveal_nothing(model: NGramModel, target: NDArray[np.uint8], loose: bool) -> None:
    plain = target[:800]
    tokens = np.random.default_rng(7).integers(0, 256 if loose else SIZE, len(plain))
    groups = np.full(256, -1) if loose else np.zeros(SIZE, dtype=np.int64)
    key = solve(tokens, groups, model, restarts=1, effort=0.5)
    commonest = np.bincount(plain).max() / len(plain)
    assert (key[tokens] == plain).mean() <= commonest


def test_empty_text_and_silent_tokens(model: NGramModel) -> None:
    assert solve(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), model).shape == (0,)
    groups = np.array([0, 0, 1, -1, -1])
    for tokens in (np.zeros(0, dtype=np.int64), np.array([0, 1]), np.array([4, 4, 4, 0])):
        key = solve(tokens, groups, model, known=np.array([-1, 7, -1, 3, -1]), restarts=1, effort=0.01)
        assert (key.shape, key[1], key[3]) == ((5,), 7, 3)
        assert is_bijective(key, groups)
        assert ((key >= 0) & (key < SIZE)).all()


def test_tokens_of_other_groups_or_of_none_may_share_a_symbol(model: NGramModel) -> None:
    groups = np.array([3, 3, 7, 7, -1, -1])
    puzzle = build_puzzle(np.arange(6), groups, model, known=np.array([0, 5, 5, 0, 0, 0]))
    assert puzzle.groups.tolist() == [0, 0, 1, 1, -1, -1]
    build_puzzle(np.zeros(0, dtype=np.int64), np.zeros(SIZE, dtype=np.int64), model, known=np.arange(SIZE))


def test_the_first_key_gives_frequent_tokens_the_most_frequent_free_symbols() -> None:
    puzzle, _, small = small_case(3, loose=True)
    counts = Counter(puzzle.tokens.tolist())
    for seed in range(20):
        known = np.full(len(puzzle.groups), -1)
        shown = np.random.default_rng(seed).permutation(np.flatnonzero(puzzle.groups == seed % 2))[: seed % 4]
        known[shown] = np.random.default_rng(seed).permutation(7)[: len(shown)]
        key = initialise_key(build_puzzle(puzzle.tokens, puzzle.groups, small, known), np.random.default_rng(seed))
        for group in (0, 1):
            inside = np.flatnonzero(puzzle.groups == group).tolist()
            held = {known[token] for token in inside} - {-1}
            free = sorted(set(range(7)) - held, key=lambda symbol: (-small.unigram[symbol], symbol))
            asked = sorted((t for t in inside if known[t] < 0), key=lambda token: (-counts[token], token))
            assert [key[token] for token in asked] == free[: len(asked)]
        np.testing.assert_array_equal(key[shown], known[shown])
        assert set(key[puzzle.groups < 0].tolist()) <= set(range(7))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tokens": np.array([0, 3])}, "tokens reach 0 to 3"),
        ({"tokens": np.zeros((2, 2), dtype=np.int64)}, "2 and 1 axes"),
        ({"groups": np.array([0, 0, -2])}, "groups contain -2"),
        ({"groups": np.zeros(92, dtype=np.int64)}, "a group has 92 tokens"),
        ({"tokens": np.array([-1, 0])}, "tokens reach -1 to 0"),
        ({"known": np.array([1, 1, -1])}, "same symbol"),
        ({"known": np.array([0, -1, 0])}, "same symbol"),
        ({"known": np.array([2, 2, 2]), "groups": np.array([4, -1, 4])}, "same symbol"),
        ({"known": np.array([-2, -1, -1])}, "known reaches -2 to -1"),
        ({"known": np.array([91, -1, -1])}, "known reaches"),
        ({"known": np.array([1, -1])}, "known has shape"),
        ({"restarts": -1}, "restarts is -1"),
        ({"effort": 0.0}, "effort is 0"),
    ],
)
def test_bad_arguments_are_named(model: NGramModel, change: dict[str, object], named: str) -> None:
    arguments: dict[str, object] = {"tokens": np.array([0, 1, 2]), "groups": np.zeros(3, dtype=np.int64)}
    with pytest.raises(ValueError, match=named):
        solve(model=model, **{**arguments, **change})  # type: ignore[arg-type]
