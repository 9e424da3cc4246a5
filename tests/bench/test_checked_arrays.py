"""Checks of arrays from files: what is refused, and what is accepted."""

import re

import numpy as np
import pytest

from veilbench.bench.checked_arrays import require_array

GOOD = {"x": np.array([[0.0, 0.5], [1.0, 0.25]], np.float32), "y": np.array([0, 2]), "none": np.zeros((0, 3))}


def test_what_is_as_it_must_be_comes_through_as_it_is() -> None:
    assert require_array(GOOD, "x", np.float32, (None, 2), low=0, high=1) is GOOD["x"]
    assert require_array(GOOD, "y", np.integer, (2,), low=0, high=2) is GOOD["y"]
    assert require_array(GOOD, "none", np.floating, (None, 3), low=0) is GOOD["none"]
    assert require_array({"x": np.array(np.inf)}, "x", np.float64, (), finite=False) == np.inf


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2)), "x is of type float64, float32 is needed"),
        (np.zeros((2, 2), np.int64), "x is of type int64, float32 is needed"),
        (np.zeros((2, 2), bool), "x is of type bool, float32 is needed"),
        (np.zeros((2, 3), np.float32), "x has shape [2, 3], [any, 2] is needed"),
        (np.zeros(2, np.float32), "x has shape [2], [any, 2] is needed"),
        (np.array([[0, 1], [np.nan, 7]], np.float32), "x holds nan at [1, 0], finite values are needed"),
        (np.array([[0, 1], [1, -np.inf]], np.float32), "x holds -inf at [1, 1], finite values are needed"),
        (np.array([[0, -1], [1, 1]], np.float32), "x holds -1.0 at [0, 1], at least 0 is needed"),
        (np.array([[0, 1], [1, 1.5]], np.float32), "x holds 1.5 at [1, 1], at most 1 is needed"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_is_allowed(array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        require_array({"x": array}, "x", np.float32, (None, 2), low=0, high=1)


def test_a_missing_array_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ValueError, match="the array z is missing; there are: none, x, y"):
        require_array(GOOD, "z", np.float32)


def test_a_single_number_out_of_range_has_no_place() -> None:
    with pytest.raises(ValueError, match="x holds 7 alone, at most 3 is needed"):
        require_array({"x": np.array(7)}, "x", np.integer, (), high=3)
