"""The n-gram model against a slow dictionary implementation written from the formulas."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from veilbench.families.ciphers.attacks.ngram_table import build_hash_table, tag_slots
from veilbench.families.ciphers.attacks.ngrams import NGramModel

SENTENCE = "the quick brown fox jumps over the lazy dog while the other dogs sleep in the shade of the old tree; "


def text(length: int, size: int, seed: int) -> NDArray[np.uint8]:
    """A skewed, correlated random text: steps of a lazy walk, so that n-grams repeat."""
    generator = np.random.default_rng(seed)
    return (np.cumsum(generator.choice([0, 1, 1, 2, 5], size=length)) % size).astype(np.uint8)


def slow_counts(symbols: list[int], order: int) -> dict[int, Counter[tuple[int, ...]]]:
    """Raw counts of the top order on a ring, numbers of distinct predecessors below."""
    ring = symbols + symbols[: order - 1]
    grams = {
        width: Counter(tuple(ring[i : i + width]) for i in range(len(ring) - width + 1))
        for width in range(1, order + 1)
    }
    below = {width: Counter(gram[1:] for gram in grams[width + 1]) for width in range(1, order)}
    return {**below, order: grams[order]}


def slow_discounts(counts: Counter[tuple[int, ...]]) -> list[float]:
    n = [max(1, sum(1 for c in counts.values() if c == k)) for k in range(1, 5)]
    ratio = n[0] / (n[0] + 2 * n[1])
    raw = [k - (k + 1) * ratio * n[k] / n[k - 1] for k in (1, 2, 3)]
    return [0.0] + [min(max(d, 0.1), 0.9 * k) for k, d in zip((1, 2, 3), raw, strict=True)]


def slow_probability(
    counts: dict[int, Counter[tuple[int, ...]]], gram: tuple[int, ...], order: int, size: int
) -> float:
    """P(last | rest) by the interpolated recursion; an empty gram is the uniform end of the recursion."""
    if not gram:
        return 1.0 / size
    if len(gram) > order:
        return slow_probability(counts, gram[1:], order, size)
    level = counts[len(gram)]
    follow = {g: c for g, c in level.items() if g[:-1] == gram[:-1]}
    lower = slow_probability(counts, gram[1:], order, size)
    if not follow:
        return lower
    discounts = slow_discounts(level)
    total = sum(follow.values())
    passed = sum(discounts[min(c, 3)] for c in follow.values()) / total
    own = follow.get(gram, 0)
    return (own - discounts[min(own, 3)]) / total + passed * lower


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("size", [3, 7])
def test_probabilities_match_the_slow_implementation(order: int, size: int) -> None:
    symbols = text(120, size, seed=order)
    model = NGramModel.fit(symbols, order, size)
    counts = slow_counts([int(s) for s in symbols], order)
    other = np.random.default_rng(1).integers(0, size, 150).astype(np.uint8)
    other[40:90] = symbols[10:60]
    expected = [
        np.log(slow_probability(counts, tuple(int(s) for s in other[max(0, i - order + 1) : i + 1]), order, size))
        for i in range(len(other))
    ]
    np.testing.assert_allclose(model.score_symbols(other), expected, atol=2e-5)


@pytest.mark.parametrize("order", [1, 3, 4, 6])
def test_every_context_sums_to_one(order: int) -> None:
    size = 11
    symbols = text(400, size, seed=3)
    model = NGramModel.fit(symbols, order, size)
    generator = np.random.default_rng(0)
    contexts = [symbols[i : i + order - 1] for i in range(0, 380, 7)]
    contexts += [generator.integers(0, size, n).astype(np.uint8) for n in range(order + 2) for _ in range(5)]
    for context in contexts:
        texts = [np.append(context, symbol).astype(np.uint8) for symbol in range(size)]
        chances = np.exp([model.score_symbols(each)[-1] for each in texts])
        assert chances.sum() == pytest.approx(1.0, abs=1e-5)
        assert (chances > 0).all()


def test_longer_context_predicts_better() -> None:
    symbols = text(4000, 9, seed=5)
    low, high = (NGramModel.fit(symbols[:3000], order, 9) for order in (1, 3))
    assert high.score_symbols(symbols[3000:]).mean() > low.score_symbols(symbols[3000:]).mean()


def test_ninety_one_symbols_by_default_and_read_only() -> None:
    symbols = np.frombuffer((SENTENCE * 20).encode(), dtype=np.uint8) - np.uint8(32)
    model = NGramModel.fit(symbols, 5)
    assert model.trigram.shape == (91, 91, 91)
    assert model.score_symbols(symbols).mean() > -0.3
    assert not any(a.flags.writeable for a in (model.unigram, model.trigram, model.keys, model.values))
    again = NGramModel.fit(symbols, 5)
    np.testing.assert_array_equal(model.score_symbols(symbols), again.score_symbols(symbols))


def test_short_texts_are_scored() -> None:
    model = NGramModel.fit(text(100, 5, seed=0), 5, 5)
    for length in range(6):
        assert model.score_symbols(text(100, 5, seed=1)[:length]).shape == (length,)


@pytest.mark.parametrize(
    ("symbols", "order", "size", "named"),
    [
        ([0, 1, 2], 0, 3, "order is 0"),
        ([0, 1, 2], 9, 3, "order is 9"),
        ([0, 1, 2], 2, 1, "alphabet_size is 1"),
        ([0, 1, 3], 2, 3, "reach 0 to 3"),
        ([0, 1], 3, 3, "shape"),
        ([[0, 1]], 1, 3, "shape"),
    ],
)
def test_bad_arguments_are_named(symbols: list[int], order: int, size: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        NGramModel.fit(np.array(symbols, dtype=np.uint8), order, size)


def test_a_tag_tells_an_empty_slot_and_most_other_keys() -> None:
    rng = np.random.default_rng(0)
    inserted = np.unique(rng.integers(1, 2**62, 3000, dtype=np.uint64))
    keys, _ = build_hash_table([(inserted, np.zeros((len(inserted), 2)))])
    tags, bits = tag_slots(keys), len(keys).bit_length() - 1
    for key, tag in zip(keys.tolist(), tags.tolist(), strict=True):
        hashed = f"{key * 0x9E3779B97F4A7C15 % 2**64:064b}"
        assert tag == (128 + int(hashed[bits : bits + 7], 2) if key else 0)
    assert len(np.unique(tags)) == 129
