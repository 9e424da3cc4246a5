"""Classes from columns of labels."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.data.loaders.files import classes
from veilbench.errors import UserError


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
    y, labels = classes(values, "column")
    assert (y.tolist(), labels, y.dtype) == (places, names, np.int64)


@pytest.mark.parametrize("stray", [0.5, np.inf, np.nan])
def test_a_number_that_is_no_class_is_named(stray: float) -> None:
    with pytest.raises(UserError, match=f"^column holds no classes but numbers such as {stray}$"):
        classes(np.array([1.0, stray, 2.0]), "column")
