"""Labels as files hold them: what is no label is refused, and names that are alike are told."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.labels import encode_classes, normalise_label, note_similar_names, strip_texts


@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 1), (2, 3, 1)])
def test_labels_are_one_column(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"y of shape .* holds no labels: one for each row is needed"):
        encode_classes(np.zeros(shape, int), "y", [])


def test_a_column_of_a_table_is_read_as_a_row_of_labels() -> None:
    places, names = encode_classes(np.array([[4], [2], [4]]), "y", [])
    assert (places.tolist(), places.dtype, names) == ([1, 0, 1], np.int64, ["2", "4"])


def test_numbers_get_the_names_that_are_given() -> None:
    places, names = encode_classes(np.array([1, 0, 1]), "y", [], ["no", "yes"])
    assert (places.tolist(), names) == ([1, 0, 1], ["no", "yes"])
    assert encode_classes(np.array([True, False]), "y", [], ["no", "yes"])[0].tolist() == [1, 0]
    assert encode_classes(np.zeros(0, int), "y", [], ["no", "yes"])[0].tolist() == []


@pytest.mark.parametrize(("values", "strange"), [([0, 2, 3], "2"), ([1, -1], "-1"), (["0", "1"], "0"), ([5, -4], "-4")])
def test_a_number_without_a_name_is_refused(values: list[object], strange: str) -> None:
    with pytest.raises(UserError, match=f"y holds {strange}; with labels=.'no', 'yes'., 0 to 1 is allowed"):
        encode_classes(np.array(values), "y", [], ["no", "yes"])


@pytest.mark.parametrize("values", [[2.0**53, 1.0], [-(2.0**53), 0.0]])
def test_floats_are_labels_as_long_as_they_are_exact(values: list[float]) -> None:
    assert set(encode_classes(np.array(values), "y", [])[1]) == {str(int(value)) for value in values}
    with pytest.raises(UserError, match="does not hold classes but numbers such as"):
        encode_classes(np.array(values) * 2, "y", [])


def test_two_labels_are_something_to_tell_apart_and_one_is_not() -> None:
    notes: list[str] = []
    encode_classes(np.array(["a", "b"]), "y", notes)
    assert notes == []
    encode_classes(np.array(["a", "a"]), "y", notes)
    assert notes == ["y holds only the label a, so there is nothing to classify"]


def test_blanks_are_left_out_and_counted_and_empty_texts_are_refused() -> None:
    notes: list[str] = []
    assert strip_texts(np.array([" a", "b", "c "]), "y", notes).tolist() == ["a", "b", "c"]
    assert notes == ["y: whitespace around 2 texts was removed"]
    with pytest.raises(UserError, match="y holds 2 empty texts; the first is in row 1"):
        strip_texts(np.array(["a", " ", ""]), "y", [])
    assert strip_texts(np.array(["ä".encode()]), "y", []).tolist() == ["ä"]
    with pytest.raises(UserError, match="y holds bytes that are not UTF-8"):
        strip_texts(np.array([b"\xff"]), "y", [])


def test_names_that_differ_in_case_blanks_or_encoding_are_told() -> None:
    assert normalise_label(" Cafe\u0301  Noir") == normalise_label("CAFÉ noir")
    assert note_similar_names(["a", "b", "A", "a ", "b"], "the labels") == [
        "the labels 'a' and 'A' count as different ones",
        "the labels 'a' and 'a ' count as different ones",
    ]
