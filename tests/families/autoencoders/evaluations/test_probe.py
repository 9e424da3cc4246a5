"""Probes: on codes of everything and of nothing, and against scikit-learn's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.random_code import RandomCode
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.evaluations.probe import Probe

RNG = np.random.default_rng(0)


def test_a_code_of_everything_is_as_good_as_the_rows(examine: Any, digits: Rows) -> None:
    metrics = examine(Probe(), IdentityCode().fit(digits, RNG), digits).metrics
    assert metrics["logistic"] == metrics["raw_logistic"]
    assert metrics["neighbours"] == metrics["raw_neighbours"]
    assert metrics["logistic"].value > 0.9
    assert metrics["logistic"].interval == "Clopper-Pearson 95 %"
    assert metrics["logistic"].n == 300


def test_a_code_of_nothing_is_as_good_as_a_guess(examine: Any, digits: Rows) -> None:
    metrics = examine(Probe(), RandomCode(8).fit(digits, RNG), digits).metrics
    for name in ("logistic", "neighbours"):
        assert metrics[name].low < 0.1 < metrics[name].high
    assert metrics["raw_logistic"].low > 0.8
    counts = np.bincount(digits.train.y)
    assert metrics["majority"].value == (digits.test.y == counts.argmax()).mean()


@pytest.mark.parametrize("most", [100, 5000])
def test_probes_are_scikit_learns(examine: Any, digits: Rows, most: int) -> None:
    model = Pca(6).fit(digits, RNG)
    metrics = examine(Probe(neighbours=3, most_rows=most), model, digits).metrics
    codes, test = model.encode(digits.train.x[:most]), model.encode(digits.test.x)
    for name, kind in (("logistic", LogisticRegression(max_iter=500)), ("neighbours", KNeighborsClassifier(3))):
        reference = make_pipeline(StandardScaler(), kind).fit(codes, digits.train.y[:most])
        assert metrics[name].value == pytest.approx(reference.score(test, digits.test.y), abs=0.01)


def test_the_table_says_the_same_as_the_metrics(examine: Any, table: Rows) -> None:
    found = examine(Probe(), Pca(2).fit(table, RNG), table)
    assert [line[:2] for line in found.tables[0].rows] == [["code", 2], ["raw rows", 10], ["most common label", 0]]
    assert found.tables[0].rows[0][2:] == [found.metrics["logistic"], found.metrics["neighbours"]]


@pytest.mark.parametrize("how", ["pca", "tsne"])
def test_the_cloud_has_a_curve_per_class_and_keeps_classes_apart(examine: Any, table: Rows, how: Any) -> None:
    found = examine(Probe(picture=how, points=90), Pca(3).fit(table, RNG), table)
    (figure,) = found.figures
    assert figure.points
    assert [curve.name for curve in figure.curves] == ["left", "right"]
    assert sum(len(curve.x) for curve in figure.curves) == 90
    left, right = (np.c_[curve.x, curve.y] for curve in figure.curves)
    apart = np.linalg.norm(left.mean(0) - right.mean(0))
    assert apart > 1.5 * np.linalg.norm(left.std(0))


def test_a_code_of_one_value_lies_on_a_line(examine: Any, table: Rows) -> None:
    for how in ("pca", "tsne"):
        (figure,) = examine(Probe(picture=how), Pca(1).fit(table, RNG), table).figures
        assert {y for curve in figure.curves for y in curve.y} == {0}


def test_many_classes_are_cut_to_the_commonest(examine: Any, table: Rows) -> None:
    y = np.arange(200) % 12
    parts = {name: Part(getattr(table, name).x, y) for name in ("train", "test")}
    found = examine(Probe(), Pca(2).fit(table, RNG), replace(table, labels=list("abcdefghijkl"), **parts))
    assert [curve.name for curve in found.figures[0].curves] == list("abcdefghij")
    assert found.notes[-1] == "The figure shows the 10 most common classes."


def test_what_it_does_not_apply_to_says_so(examine: Any, table: Rows, oddities: Rows) -> None:
    with pytest.raises(NotImplementedError, match="all training rows have the label normal"):
        examine(Probe(), Pca(2).fit(oddities, RNG), oddities)
    with pytest.raises(NotImplementedError, match="InputNorm has no code"):
        examine(Probe(), InputNorm(), table)
    with pytest.raises(UserError, match="neighbours=300 are more than the 200"):
        examine(Probe(neighbours=300), Pca(2).fit(table, RNG), table)
