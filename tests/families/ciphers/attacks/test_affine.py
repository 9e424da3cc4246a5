"""Gaussian elimination modulo 2, against equations whose solution is known."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.ciphers.attacks.affine import recover, solve_gf2
from veilbench.families.ciphers.attacks.cipher_oracle import Pair
from veilbench.families.ciphers.baselines.bit_transposition import BitTransposition


@pytest.mark.parametrize("seed", range(5))
def test_the_solution_of_consistent_equations_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, wanted = rng.integers(0, 2, (40, 12)), rng.integers(0, 2, (12, 3))
    solution = solve_gf2(left, left @ wanted % 2)
    np.testing.assert_array_equal(solution, wanted)


def test_equations_are_met_where_there_are_too_few() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 2, (6, 20)), rng.integers(0, 2, (6, 2))
    np.testing.assert_array_equal(left @ solve_gf2(left, right) % 2, right)


def test_unknowns_without_an_equation_are_zero() -> None:
    left = np.array([[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(solve_gf2(left, np.array([[1], [1]])), [[1], [0], [0]])


def test_a_permutation_of_bits_is_undone() -> None:
    rng = np.random.default_rng(1)
    cipher = BitTransposition(2).with_fresh_key(rng)
    told, secrets = rng.integers(0, 91, (60, 4), dtype=np.uint8), rng.integers(0, 91, (9, 4), dtype=np.uint8)
    known = [Pair(message, cipher.encrypt(message, rng)) for message in told]
    np.testing.assert_array_equal(recover(known, [cipher.encrypt(secret, rng) for secret in secrets]), secrets)
