"""The sets that come with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from veilbench.families.autoencoders.data.loaders.sklearn_set import SklearnSet
from veilbench.families.autoencoders.data.raw import check_raw

RNG = np.random.default_rng(0)


def test_digits_are_images_between_0_and_1() -> None:
    raw = check_raw(SklearnSet("digits").read(RNG))
    assert raw.x.shape == (1797, 1, 8, 8)
    assert (raw.x.min(), raw.x.max()) == (0, 1)
    assert np.array_equal(raw.x.reshape(1797, 64) * 16, datasets.load_digits().data)
    assert raw.labels == list("0123456789")
    assert raw.features == []


@pytest.mark.parametrize(
    ("name", "labels", "counts"),
    [
        ("breast_cancer", ["malignant", "benign"], [212, 357]),  # Street et al. 1993
        ("wine", ["class_0", "class_1", "class_2"], [59, 71, 48]),
    ],
)
def test_tables_have_names(name: str, labels: list[str], counts: list[int]) -> None:
    raw = check_raw(SklearnSet(name).read(RNG))  # type: ignore[arg-type]
    assert raw.labels == labels
    assert np.bincount(raw.y).tolist() == counts
    assert len(raw.features) == raw.x.shape[1]
    assert all(type(feature) is str for feature in raw.features)


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_float32_tells_the_rows_and_values_of_tables_apart(name: str) -> None:
    whole = getattr(datasets, f"load_{name}")().data
    read = check_raw(SklearnSet(name).read(RNG)).x  # type: ignore[arg-type]
    for column, rounded in zip(whole.T, read.T, strict=True):
        assert len(np.unique(column)) == len(np.unique(rounded))


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ValueError, match="name='iris' must be one of digits, breast_cancer, wine"):
        SklearnSet("iris")  # type: ignore[arg-type]
