"""The distinguisher: it learns what can be learned, and wins half of the games otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.ciphers.attacks.distinguisher import Distinguisher

Game = tuple[int, np.ndarray]


def games(count: int, seed: int, signal: dict[int, float], clues: int = 40) -> list[Game]:
    """Balanced games whose clues are noise, but for a shift of some of them by the coin."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        clue = rng.normal(size=clues)
        for place, strength in signal.items():
            clue[place] += strength * (2 * (index % 2) - 1)
        made.append((index % 2, clue))
    return made


@pytest.mark.parametrize(
    "signal",
    [{0: 6.0}, {2: 6.0}, dict.fromkeys(range(10, 40), 2.0)],
    ids=["among the first few", "the last of the few", "spread over the others"],
)
def test_it_wins_where_a_clue_tells_the_coin(signal: dict[int, float]) -> None:
    trained = Distinguisher(games(64, 0, signal))
    assert trained.count_wins(games(200, 1, signal)) >= 190


def test_it_wins_half_where_none_does() -> None:
    wins = Distinguisher(games(64, 0, {})).count_wins(games(1000, 1, {}))
    assert wins == pytest.approx(500, abs=4 * np.sqrt(250))


def test_it_knows_the_coin_from_the_clues_and_not_from_the_game() -> None:
    trained = Distinguisher(games(64, 0, {0: 6.0}))
    asked = games(100, 1, {0: 6.0})
    turned = [(1 - coin, clue) for coin, clue in asked]
    assert trained.count_wins(turned) == 100 - trained.count_wins(asked)


def test_the_same_games_make_the_same_distinguisher() -> None:
    asked = games(300, 1, {1: 0.5})
    assert len({Distinguisher(games(64, 0, {1: 0.5})).count_wins(asked) for _ in range(2)}) == 1
