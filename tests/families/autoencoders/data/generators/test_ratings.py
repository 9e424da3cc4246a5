"""Ratings: likes follow the law that is stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from veilbench.families.autoencoders.data.generators.ratings import Ratings
from veilbench.families.autoencoders.data.raw import Raw, check_raw


def made(seed: int = 0, **settings: Any) -> Raw:
    return check_raw(Ratings(**settings).read(np.random.default_rng(seed)))


def test_films_have_names_and_people_a_main_taste() -> None:
    raw = made(people=100, films=20)
    assert raw.features[:7] == [
        "space_00",
        "crime_00",
        "romance_00",
        "western_00",
        "horror_00",
        "comedy_00",
        "space_01",
    ]
    assert raw.features[-1] == "crime_03"
    assert raw.labels == ["space", "crime", "romance", "western", "horror", "comedy"]
    assert set(np.unique(raw.x)) == {0, 1}
    assert np.ptp(np.bincount(raw.y)) <= 1


def test_likes_come_as_often_as_the_law_says() -> None:
    raw = made(people=20000, films=24, tastes=4, focus=0.6, background=0.1)
    for taste in range(4):
        films = np.arange(24) % 4 == taste
        # the mean weight is focus + (1 - focus) / tastes for the main taste, and the mean appeal 0.75, give or take
        # what six films of uniform appeal differ from it
        for mine, weight in ((raw.y == taste, 0.7), (raw.y != taste, 0.1)):
            assert abs(raw.x[mine][:, films].mean() - (0.1 + 0.9 * weight * 0.75)) < 0.9 * weight * 4 * 0.145 / 6**0.5


def test_appeal_makes_some_films_liked_more_than_others() -> None:
    raw = made(people=20000, films=24, tastes=4, focus=1.0, background=0.0)
    own = [raw.x[raw.y == film % 4, film].mean() for film in range(24)]
    assert min(own) > 0.48
    assert max(own) - min(own) > 0.2
    assert not any(raw.x[raw.y != film % 4, film].any() for film in range(24))


def test_tastes_can_be_told_and_not_always() -> None:
    raw = made()
    model = LogisticRegression(max_iter=500).fit(raw.x[:1000], raw.y[:1000])
    assert 0.85 < model.score(raw.x[1000:], raw.y[1000:]) < 0.995


def test_the_same_generator_gives_the_same_people_and_another_seed_others() -> None:
    assert np.array_equal(made(3, people=50).x, made(3, people=50).x)
    assert not np.array_equal(made(3, people=50).x, made(4, people=50).x)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"films": 5}, "films=5 must be at least tastes=6"),
        ({"people": 10, "tastes": 12}, "people=10 must be at least tastes=12"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Ratings(**settings)
