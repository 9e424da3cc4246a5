"""Films that each person liked, from MovieLens' file `u.data`."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.errors import UserError
from veilbench.bench.labels import EXACT
from veilbench.families.autoencoders.data.loaders.files import require_file
from veilbench.families.autoencoders.data.raw import Raw

HIGHEST = 5


class MovieLens:
    """Reads ratings of MovieLens 100K (Harper and Konstan 2015): lines of user, item, rating and time, tab-separated.

    A row is a person, with 1 for each film rated `liked_from` or higher, and 0 for films rated lower or not at all. A
    film is called item_<number>, as in the file. If a person rated a film twice, the later line counts. There are no
    classes.

    Args:
        path: path of the file.
        liked_from: lowest rating, from 1 to 5, that counts as liking.
    """

    def __init__(self, path: str, liked_from: Annotated[float, Ge(1), Le(5)] = 4) -> None:
        self.path, self.liked_from = path, liked_from

    def read(self, rng: np.random.Generator) -> Raw:
        """Read all people with ratings, by all films with ratings.

        Raises:
            UserError: the file is missing, or its lines are not four numbers.
        """
        path = require_file(self.path, "the ratings")
        if not path.stat().st_size:
            raise UserError(f"{path} is empty; lines of user, item, rating and time are needed")
        try:
            lines = np.loadtxt(path, delimiter="\t", ndmin=2, comments=None)
        except ValueError as error:  # numpy names the line
            raise UserError(f"{path} is not four numbers, apart by tabs, on each line: {error}") from error
        if lines.shape[1] != 4:
            raise UserError(f"{path} has {lines.shape[1]} columns; user, item, rating and time are needed")
        _refuse_strange(lines, str(path))
        users, user = np.unique(lines[:, 0], return_inverse=True)
        items, item = np.unique(lines[:, 1], return_inverse=True)
        liked = np.zeros((len(users), len(items)), np.float32)
        for one, film, rating in zip(user, item, lines[:, 2], strict=True):
            liked[one, film] = rating >= self.liked_from
        notes = [
            f"{len(lines):,} ratings of {len(items):,} films by {len(users):,} people; liked is a rating of "
            f"{self.liked_from:g} or more; a film that was not rated counts as not liked"
        ]
        return Raw(liked, np.zeros(len(users), np.int64), [f"item_{int(i)}" for i in items], ["all"], notes)


def _refuse_strange(lines: np.ndarray, path: str) -> None:
    """Reject numbers that are not valid users, items or ratings."""
    whole = (lines[:, :2] == np.rint(lines[:, :2])) & (np.abs(lines[:, :2]) <= EXACT)
    rated = (lines[:, 2] >= 0) & (lines[:, 2] <= HIGHEST)  # NaN is neither
    wrong = ~np.column_stack([whole, rated])
    if wrong.any():
        entry, column = (int(i[0]) for i in np.nonzero(wrong))
        what = ("a user, a whole number", "an item, a whole number", f"a rating from 0 to {HIGHEST}")[column]
        raise UserError(f"{path}: entry {entry + 1} has {lines[entry, column]:.15g} where {what}, is needed")
