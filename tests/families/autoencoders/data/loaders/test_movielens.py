"""Ratings as rows of liked films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from veilbench.families.autoencoders.data.loaders.movielens import MovieLens
from veilbench.families.autoencoders.data.raw import Raw, Source

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]
LINES = "196\t242\t3\t881250949\n186\t302\t4\t891717742\n196\t302\t5\t1\n22\t9\t1\t2\n196\t9\t4\t3\n"


def written(folder: Path, text: str) -> str:
    (folder / "u.data").write_text(text)
    return str(folder / "u.data")


def test_people_and_films_are_in_the_order_of_their_numbers(tmp_path: Path, reading: Reading) -> None:
    raw = reading(MovieLens(written(tmp_path, LINES)))
    assert raw.features == ["item_9", "item_242", "item_302"]
    assert raw.x.tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 1]]  # 22, 186, 196
    assert raw.labels == ["all"]
    assert raw.notes[0].startswith("5 ratings of 3 films by 3 people; liked is a rating of 4 or more;")


def test_the_threshold_counts(tmp_path: Path, reading: Reading) -> None:
    path = written(tmp_path, LINES)
    liked = [reading(MovieLens(path, liked_from)).x.sum() for liked_from in (1, 3, 4, 5)]
    assert liked == [5, 4, 3, 1]


def test_of_two_ratings_the_later_line_counts(tmp_path: Path, reading: Reading) -> None:
    for ratings, expected in (([5, 1], 0), ([1, 5], 1)):
        lines = "".join(f"1\t1\t{rating}\t0\n" for rating in ratings)
        assert reading(MovieLens(written(tmp_path, lines))).x.tolist() == [[expected]]


@pytest.mark.parametrize("seed", [0, 1])
def test_random_ratings_are_what_a_plain_loop_makes_of_them(seed: int, tmp_path: Path, reading: Reading) -> None:
    rng = np.random.default_rng(seed)
    lines = np.stack([rng.integers(1, 30, 400), rng.integers(1, 40, 400), rng.integers(1, 6, 400), np.arange(400)], 1)
    raw = reading(MovieLens(written(tmp_path, "".join("\t".join(map(str, line)) + "\n" for line in lines.tolist()))))
    last = {(user, item): rating for user, item, rating, _ in lines.tolist()}
    users, items = sorted({u for u, _ in last}), sorted({i for _, i in last})
    assert raw.x.tolist() == [[float(last.get((u, i), 0) >= 4) for i in items] for u in users]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("1\t2\t3\n", "has 3 columns; user, item, rating and time are needed"),
        ("1,2,3,4\n", "is not four numbers, apart by tabs, on each line"),
        ("1\t2\t3\t4\n1\t2\n", "is not four numbers"),
        ("user\titem\trating\ttime\n1\t2\t3\t4\n", "is not four numbers"),
        ("1\t2\t3\t4\n1\t2\tnan\t4\n", "entry 2 has nan where a rating from 0 to 5, is needed"),
        ("1\t2\t30\t4\n", "entry 1 has 30 where a rating from 0 to 5"),
        ("1.5\t2\t3\t4\n", "entry 1 has 1.5 where a user, a whole number, is needed"),
        ("1\t1e18\t3\t4\n", "entry 1 has 1e+18 where an item, a whole number, is needed"),
    ],
)
def test_other_files_are_refused(text: str, said: str, tmp_path: Path, refusal: Refusal) -> None:
    assert said in refusal(MovieLens(written(tmp_path, text)))


def test_a_missing_file_is_named(tmp_path: Path, refusal: Refusal) -> None:
    assert "u.data: there is no such file" in refusal(MovieLens(str(tmp_path / "u.data")))


def test_films_with_large_numbers_keep_their_names(tmp_path: Path, reading: Reading) -> None:
    lines = "".join(f"1\t{12_345_678 + film}\t5\t0\n" for film in range(3))
    assert reading(MovieLens(written(tmp_path, lines))).features == ["item_12345678", "item_12345679", "item_12345680"]
