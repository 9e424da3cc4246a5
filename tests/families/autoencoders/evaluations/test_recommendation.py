"""Recommendation: planted tastes are found, popularity and chance have their closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.random_code import RandomCode
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.evaluations.recommendation import Recommendation, rank_items

RNG = np.random.default_rng(0)


def test_a_code_of_tastes_finds_more_than_popularity(examine: Any, ratings: Rows) -> None:
    metrics = examine(Recommendation(k=3), Pca(1).fit(ratings, RNG), ratings).metrics
    # Six films of one's own taste are left, all as likely: 3 of 6. Popularity sees 16 alike: 3 of 16, as chance does.
    assert metrics["hit_rate"].low < 3 / 6 < metrics["hit_rate"].high
    assert metrics["hit_rate_of_popularity"].low < 3 / 16 < metrics["hit_rate_of_popularity"].high
    assert metrics["hit_rate_of_chance"].value == pytest.approx(3 / 16)
    assert metrics["over_popularity"].low > 0.1
    assert metrics["hit_rate"].n == 300


def test_what_knows_nothing_does_as_chance(examine: Any, ratings: Rows) -> None:
    blind = examine(Recommendation(k=3), IdentityCode().fit(ratings, RNG), ratings).metrics  # all hidden ones are 0
    assert blind["hit_rate"].low < 3 / 16 < blind["hit_rate"].high
    everybody = examine(Recommendation(k=3), RandomCode().fit(ratings, RNG), ratings).metrics
    assert everybody["hit_rate"] == everybody["hit_rate_of_popularity"]


def test_popularity_helps_where_some_things_are_popular(examine: Any, ratings: Rows) -> None:
    x = (np.random.default_rng(5).random((300, 20)) < np.geomspace(0.9, 0.02, 20)).astype(np.float32)
    rows = replace(ratings, train=Part(x, ratings.train.y), test=Part(x[::-1].copy(), ratings.test.y))
    metrics = examine(Recommendation(k=3), RandomCode().fit(rows, RNG), rows).metrics
    assert metrics["hit_rate_of_popularity"].low > metrics["hit_rate_of_chance"].value


def test_as_many_as_there_are_always_hold_the_hidden_one(examine: Any, ratings: Rows) -> None:
    metrics = examine(Recommendation(k=16), IdentityCode().fit(ratings, RNG), ratings).metrics
    assert metrics["hit_rate"].value == metrics["hit_rate_of_chance"].value == 1


def test_examples_never_recommend_what_is_known(examine: Any, ratings: Rows) -> None:
    found = examine(Recommendation(k=4, examples=6), Pca(1).fit(ratings, RNG), ratings)
    assert len(found.tables[0].rows) == 6
    for liked, shown, hidden, hit in found.tables[0].rows:
        known, listed = set(str(liked).split(", ")), str(shown).split(", ")
        assert len(listed) == 4
        assert not known & set(listed)
        assert hidden not in known
        assert hit == ("yes" if hidden in listed else "no")


def test_the_order_is_a_plain_sort_with_ties_at_random() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.7]])
    known = np.array([[False, True, False, False]])
    assert rank_items(scores, known, np.zeros((1, 4))).tolist() == [[3, 2, 0, 1]]
    equal = rank_items(np.zeros((4000, 4)), np.zeros((4000, 4), bool), RNG.random((4000, 4)))
    counts = np.bincount(equal[:, 0], minlength=4)
    assert counts.min() > 1000 - 5 * np.sqrt(750)


def test_persons_with_one_liked_thing_are_left_out(examine: Any, ratings: Rows) -> None:
    x = ratings.test.x.copy()
    x[:290] = np.eye(20, dtype=np.float32)[0]
    rows = replace(ratings, test=Part(x, ratings.test.y))
    assert examine(Recommendation(), Pca(1).fit(ratings, RNG), rows).metrics["hit_rate"].n == 10
    x[:] = 0
    with pytest.raises(UserError, match="0 of 300 test rows like two items"):
        examine(Recommendation(), Pca(1).fit(ratings, RNG), rows)


def test_what_it_does_not_apply_to_says_so(examine: Any, table: Rows, ratings: Rows) -> None:
    with pytest.raises(NotImplementedError, match="a table of 0 and 1"):
        examine(Recommendation(), Pca(1).fit(table, RNG), table)
    with pytest.raises(NotImplementedError, match="InputNorm gives no rows back"):
        examine(Recommendation(), InputNorm(), ratings)
