"""Noise that is a keyed hash: as normal as it says, equal for equal rows alone."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from veilbench.attack_methods.hashed_noise import hash_to_noise


def test_the_noise_is_normal_and_rows_that_differ_in_one_bit_have_nothing_in_common() -> None:
    rows = np.zeros((200, 3), np.float32)
    rows[:, 0] = np.arange(200, dtype=np.float32) * np.finfo(np.float32).tiny
    noise = hash_to_noise(b"key", rows, 50)
    assert noise.shape == (200, 50)
    assert noise.dtype == np.float32
    assert kstest(noise.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(noise) - np.eye(200)).max() < 0.7  # of 50 numbers: 5 standard deviations


def test_it_depends_on_the_key_and_on_nothing_else_than_the_row() -> None:
    rows = np.random.default_rng(0).random((4, 6))
    noise = hash_to_noise(b"key", rows, 8)
    np.testing.assert_array_equal(hash_to_noise(b"key", rows[:, ::-1][2:, ::-1], 8), noise[2:])
    assert not np.isclose(hash_to_noise(b"other", rows, 8), noise).any()
