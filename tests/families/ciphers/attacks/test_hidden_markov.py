"""Expectation maximisation: expected counts against a sum over all texts, and keys that it reads."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from veilbench.families.ciphers.attacks.hidden_markov import count_expected, estimate_key
from veilbench.families.ciphers.attacks.language import fit_bigrams
from veilbench.families.ciphers.attacks.substitution_state import build_puzzle
from veilbench.families.ciphers.data.text import Texts


def over_all_texts(tokens: np.ndarray, bigram: np.ndarray, first: np.ndarray, emission: np.ndarray) -> tuple:
    """Return the expected counts and the log-likelihood by enumeration."""
    counts, total = np.zeros_like(emission, dtype=np.float64), 0.0
    for text in product(range(len(first)), repeat=len(tokens)):
        chance = first[text[0]] * np.prod([bigram[a, b] for a, b in pairwise(text)])
        chance *= np.prod([emission[symbol, token] for symbol, token in zip(text, tokens, strict=True)])
        total += chance
        for symbol, token in zip(text, tokens, strict=True):
            counts[symbol, token] += chance
    return counts / total, np.log(total)


@pytest.mark.parametrize("seed", range(4))
def test_expected_counts_are_those_over_all_texts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bigram, emission = rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(4), 3)
    first, tokens = rng.dirichlet(np.ones(3)), rng.integers(0, 4, 6)
    counts = np.full((3, 4), 9, np.float32)
    tables = [table.astype(np.float32) for table in (bigram, first, emission)]
    likelihood = count_expected(tokens, *tables, counts)
    expected, total = over_all_texts(tokens, bigram, first, emission)
    np.testing.assert_allclose(counts, expected, rtol=1e-4, atol=1e-5)
    assert likelihood == pytest.approx(total, rel=1e-4)


def encrypt(text: np.ndarray, members: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encrypt with random code books; return tokens, the member of each token and the true symbol of each token."""
    books = np.array([rng.permutation(91) for _ in range(members)])
    ids = rng.integers(0, members, len(text))
    codes, tokens = np.unique(ids * 91 + books[ids, text], return_inverse=True)
    truth = np.array([np.flatnonzero(books[code // 91] == code % 91)[0] for code in codes])
    return tokens, codes // 91, truth


@pytest.mark.parametrize(("members", "hidden", "least"), [(1, False, 0.85), (4, False, 0.75), (4, True, 0.7)])
def test_most_of_a_text_is_read(texts: Texts, members: int, hidden: bool, least: float) -> None:
    model = fit_bigrams(texts.statistics)
    tokens, groups, truth = encrypt(texts.target[:4000], members, np.random.default_rng(1))
    puzzle = build_puzzle(tokens, np.full_like(groups, -1) if hidden else groups, model, None)
    key = estimate_key(puzzle, model.bigram, model.unigram)
    assert (key == truth)[tokens].mean() > least


def test_known_symbols_are_kept_and_groups_are_one_to_one(texts: Texts) -> None:
    model = fit_bigrams(texts.statistics)
    tokens, groups, truth = encrypt(texts.target[:800], 2, np.random.default_rng(2))
    known = np.where(np.arange(len(truth)) % 3 == 0, truth, -1)
    key = estimate_key(build_puzzle(tokens, groups, model, known), model.bigram, model.unigram)
    np.testing.assert_array_equal(key[known >= 0], known[known >= 0])
    for group in (0, 1):
        assert len(set(key[groups == group])) == (groups == group).sum()
