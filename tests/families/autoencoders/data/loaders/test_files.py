"""Classes from columns of labels."""

from __future__ import annotations

import re

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.labels import encode_classes


@pytest.mark.parametrize(
    ("values", "places", "names"),
    [
        (np.array([10, 9, 10], np.uint8), [1, 0, 1], ["9", "10"]),
        (np.array([10.0, -9.0, 10.0]), [1, 0, 1], ["-9", "10"]),
        (np.array(["10", "9", "10"]), [0, 1, 0], ["10", "9"]),
        (np.array([[True], [False]]), [1, 0], ["False", "True"]),
    ],
)
def test_values_become_places_and_names_in_their_order(values: np.ndarray, places: list[int], names: list[str]) -> None:
    y, labels = encode_classes(values, "column", [])
    assert (y.tolist(), labels, y.dtype) == (places, names, np.int64)


@pytest.mark.parametrize("stray", [0.5, np.inf, np.nan, 1e20])
def test_a_number_that_is_no_class_is_named(stray: float) -> None:
    with pytest.raises(UserError, match=f"^column does not hold classes but numbers such as {re.escape(str(stray))}$"):
        encode_classes(np.array([1.0, stray, 2.0]), "column", [])


@pytest.mark.parametrize("kind", ["U", "S"])
def test_blanks_around_texts_are_left_out_and_counted(kind: str) -> None:
    notes: list[str] = []
    y, labels = encode_classes(np.array(["yes ", "no", "yes", " no"]).astype(kind), "column", notes)
    assert (y.tolist(), labels) == ([1, 0, 1, 0], ["no", "yes"])
    assert notes == ["column: whitespace around 2 texts was removed"]


def test_an_empty_text_is_no_label() -> None:
    with pytest.raises(UserError, match=r"^column holds 2 empty texts; the first is in row 1$"):
        encode_classes(np.array(["a", "", " "]), "column", [])


def test_a_single_label_is_noted() -> None:
    notes: list[str] = []
    assert encode_classes(np.array([3, 3]), "column", notes)[1] == ["3"]
    assert notes == ["column holds only the label 3, so there is nothing to classify"]
