"""What the baselines on rows share: they are a few arrays, found from the training rows."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from typing import Any, Self

import numpy as np

from veilbench.data.rows import Rows
from veilbench.errors import UserError
from veilbench.subject import Subject


class Fitted(Subject):
    """A baseline that is its constructor's arguments and the arrays that `learned` finds; made ready by `fit`."""

    data_kind = Rows
    names: tuple[str, ...] = ()  # of the arrays

    def __init__(self) -> None:
        self.kept: dict[str, np.ndarray] = {}

    @abstractmethod
    def learned(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The arrays called `names`, from `rows.train`."""

    def fit(self, data: Rows, rng: np.random.Generator) -> Self:
        """See `Subject.fit`.

        Raises:
            UserError: the data are not rows of numbers, or this baseline cannot be fitted to them.
        """
        if not isinstance(data, Rows):
            raise UserError(f"{type(self).__name__} works on rows of numbers, not on {type(data).__name__}")
        made = copy(self)
        made.kept = made.learned(data, rng)
        return made

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.kept:
            raise ValueError(f"{type(self).__name__} is not fitted")
        return self.kept[name]

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned."""
        return self.kept

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """See `Subject.restore`."""
        made = cls(**settings)
        made.kept = {name: arrays[name] for name in cls.names}
        return made


def flat(rows: np.ndarray) -> np.ndarray:
    """Shape (n, *shape) to (n, features), float64."""
    return rows.reshape(len(rows), -1).astype(np.float64)
