"""Collisions against a plain loop; effective bits of codes whose number of independent bits is known."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy.stats import entropy

from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.uniqueness import collisions, degrees_of_freedom, effective_bits, nearest_strangers

RNG = np.random.default_rng(0)


def entropy_of(chance: float) -> float:
    return float(entropy([chance, 1 - chance], base=2))


def distances(codes: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(codes), 1)
    return (codes[first] != codes[second]).mean(1)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_collisions_are_those_of_a_plain_loop(dtype: type) -> None:
    templates, people = RNG.integers(0, 2, (60, 4)).astype(dtype), RNG.integers(0, 20, 60)
    pairs = [(i, j) for i, j in itertools.combinations(range(60), 2) if people[i] != people[j]]
    equal = sum((templates[i] == templates[j]).all() for i, j in pairs)
    assert equal > 0
    assert collisions(templates, people) == (equal, len(pairs))


@pytest.mark.parametrize("copies", [1, 4])
def test_repeated_bits_do_not_count(copies: int) -> None:
    codes = np.repeat(RNG.integers(0, 2, (400, 64)), copies, axis=1)
    assert degrees_of_freedom(distances(codes)) == pytest.approx(64, rel=0.05)
    assert effective_bits(distances(codes)) == pytest.approx(64, rel=0.05)


def test_unfair_bits_hold_less() -> None:
    codes = (RNG.random((600, 64)) < 0.1).astype(np.uint8)
    assert effective_bits(distances(codes)) < 64
    assert degrees_of_freedom(np.array([0.0, 1.0])) == 1
    assert 0.3 * 64 * entropy_of(0.1) < effective_bits(distances(codes)) < 1.1 * 64 * entropy_of(0.1)


@pytest.mark.parametrize("equal", [0.0, 0.5, 1.0])
def test_equal_distances_have_no_bits_and_give_no_warning(equal: float) -> None:
    with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match="no spread"):
        effective_bits(np.full(5, equal))


def test_distances_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no spread"):
        degrees_of_freedom(np.full(5, 0.5))
    with pytest.raises(ValueError, match="are not shares of bits"):
        degrees_of_freedom(np.array([0.0, 3.0]))


def test_the_nearest_stranger_is_the_best_of_the_others() -> None:
    scores, first, second = RNG.random((5, 9)), np.arange(5), np.arange(9) % 6
    found = nearest_strangers(Comparisons.of_all(scores, first, second), 5)
    for row in range(5):
        assert found[row] == max(scores[row, column] for column in range(9) if second[column] != row)


@pytest.mark.parametrize("chance", [0.1, 0.25, 0.5])
def test_effective_bits_are_tosses_times_the_entropy_of_a_bit(chance: float) -> None:
    """Bits that are one with this chance differ in the share 2 q (1 - q) of strangers' pairs."""
    apart = 2 * chance * (1 - chance)
    found = np.array([apart - 0.05, apart + 0.05])
    tosses = apart * (1 - apart) / 0.05**2
    assert degrees_of_freedom(found) == pytest.approx(tosses)
    assert effective_bits(found) == pytest.approx(tosses * entropy_of(chance))


def test_codes_that_differ_in_more_than_half_of_their_bits_are_taken_for_fair_ones() -> None:
    found = np.array([0.5, 0.7])
    assert effective_bits(found) == pytest.approx(0.6 * 0.4 / 0.01)


@pytest.mark.parametrize("wrong", [[-0.01, 0.5], [0.5, 1.01]])
def test_a_distance_just_outside_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="are not shares of bits"):
        degrees_of_freedom(np.array(wrong))
