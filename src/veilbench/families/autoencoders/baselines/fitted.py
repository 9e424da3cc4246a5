"""Base class of baselines on rows: a few arrays computed from the training rows."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from typing import Any, Self

import numpy as np

from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import LARGEST_VALUE, MOST, require_arguments
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.data.rows import Rows


class Fitted(TrainedModel):
    """A baseline that consists of its constructor's arguments and the arrays that `fit_arrays` computes in `fit`."""

    data_kind = Rows
    names: tuple[str, ...] = ()  # names of the arrays

    def __init__(self) -> None:
        self.kept: dict[str, np.ndarray] = {}
        self.row: tuple[int, ...] | None = None  # shape of a row, once fitted

    @abstractmethod
    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Compute the arrays called `names` from `rows.train`."""

    def fit(self, data: Rows, rng: np.random.Generator) -> Self:
        """Return a copy of the baseline fitted to the training rows.

        Raises:
            UserError: the data are not rows of numbers, or the baseline cannot be fitted to them.
        """
        if not isinstance(data, Rows):
            raise UserError(f"{type(self).__name__} works on rows of numbers, not on {type(data).__name__}")
        made = copy(self)
        made.kept, made.row = made.fit_arrays(data, rng), data.shape
        return made

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.kept:
            raise ValueError(f"{type(self).__name__} is not fitted")
        return self.kept[name]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the fitted arrays, and the shape of the rows that they are for."""
        return self.kept if self.row is None else self.kept | {"row": np.array(self.row, np.int64)}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_arguments(cls, settings, "settings")
        made = cls(**settings)
        row = require_array(arrays, "row", np.integer, (None,), low=1, high=MOST)
        if not row.size:
            raise ValueError("row is empty, the shape of a row is needed")
        made.row = tuple(row.tolist())
        made.kept = {name: require_array(arrays, name, np.generic) for name in cls.names}
        made.check(made.row)
        return made

    def check(self, row: tuple[int, ...]) -> None:
        """Reject restored arrays that are not as `fit_arrays` makes them; by default, all must be finite floats.

        Args:
            row: shape of a row.

        Raises:
            ValueError: an array is invalid; the message names it.
        """
        for name, shape in self.shapes(row).items():
            if not require_array(self.kept, name, np.generic).size:
                raise ValueError(f"{name} is empty")
            require_array(self.kept, name, np.floating, shape, low=-LARGEST_VALUE, high=LARGEST_VALUE)

    def shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the arrays that are floats, by name, for `check`."""
        return {}


def flat(rows: np.ndarray) -> np.ndarray:
    """Flatten rows, shape (n, *shape) to (n, features), float64."""
    return rows.reshape(len(rows), -1).astype(np.float64)
