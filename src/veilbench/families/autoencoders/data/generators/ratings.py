"""Films that people like, generated from known tastes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le, Lt

from veilbench.bench.limits import Count, PositiveShare, require_room
from veilbench.families.autoencoders.data.raw import Raw

GENRES = (
    *("space", "crime", "romance", "western", "horror", "comedy"),
    *("war", "music", "nature", "sport", "history", "magic"),
)


class Ratings:
    """Likes, shape (people, films), with 1 for each film that a person liked and 0 for the others.

    The model: person p has weights w over the tastes, with `focus` for one main taste, drawn uniformly, and the rest
    divided among all tastes by a flat Dirichlet distribution. Film f belongs to one taste g and has an appeal c,
    uniform in 0.5 to 1. The person likes it with probability b + (1 - b) w_g c, independently of everything else, where
    b is `background`. The classes are the main tastes: a useful code reveals these, and a leaky one reveals single
    films.

    Args:
        people: number of people, one row each.
        films: number of columns, assigned to the tastes in turn: space_00, crime_00, ..., space_01, ...
        tastes: number of tastes, from space, crime, romance, western, horror, comedy, war, music, nature, sport,
            history, magic.
        focus: weight of the main taste before the rest is divided.
        background: probability of liking a film regardless of taste.
    """

    def __init__(
        self,
        people: Annotated[Count, Ge(10)] = 2000,
        films: Annotated[Count, Ge(2)] = 60,
        tastes: Annotated[int, Ge(2), Le(12)] = 6,
        focus: PositiveShare = 0.6,
        background: Annotated[float, Ge(0), Lt(1)] = 0.05,
    ) -> None:
        if films < tastes:
            raise ValueError(f"films={films} must be at least tastes={tastes}: a film for each taste")
        if people < tastes:
            raise ValueError(f"people={people} must be at least tastes={tastes}: a person for each taste")
        require_room(f"people={people} x films={films}", people, films, each=8)
        self.people, self.films, self.tastes, self.focus, self.background = people, films, tastes, focus, background

    def read(self, rng: np.random.Generator) -> Raw:
        """Generate the people and their likes."""
        taste = np.arange(self.films) % self.tastes
        main = rng.permutation(np.arange(self.people) % self.tastes)  # every taste has people, even if there are few
        weights = (1 - self.focus) * rng.dirichlet(np.ones(self.tastes), self.people)
        weights[np.arange(self.people), main] += self.focus
        appeal = rng.uniform(0.5, 1, self.films)
        likes = self.background + (1 - self.background) * weights[:, taste] * appeal
        x = (rng.random((self.people, self.films)) < likes).astype(np.float32)
        names = [f"{GENRES[genre]}_{film // self.tastes:02d}" for film, genre in enumerate(taste)]
        return Raw(x, main.astype(np.int64), names, list(GENRES[: self.tastes]))
