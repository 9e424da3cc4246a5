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
    """A baseline defined by its constructor's arguments and by the arrays that `fit_arrays` computes."""

    data_kind = Rows
    array_names: tuple[str, ...] = ()  # names of the arrays

    def __init__(self) -> None:
        self.fitted_arrays: dict[str, np.ndarray] = {}
        self.row_shape: tuple[int, ...] | None = None  # shape of a row, once fitted

    @abstractmethod
    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Compute the arrays called `array_names` from `rows.train`."""

    def fit(self, data: Rows, rng: np.random.Generator) -> Self:
        """Return a copy of the baseline fitted to the training rows.

        Raises:
            UserError: the data are not rows of numbers, or the baseline cannot be fitted to them.
        """
        if not isinstance(data, Rows):
            raise UserError(f"{type(self).__name__} works on rows of numbers, not on {type(data).__name__}")
        fitted = copy(self)
        fitted.fitted_arrays, fitted.row_shape = fitted.fit_arrays(data, rng), data.shape
        return fitted

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.fitted_arrays:
            raise ValueError(f"{type(self).__name__} is not fitted")
        return self.fitted_arrays[name]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the fitted arrays, and the shape of the rows that they are for."""
        return (
            self.fitted_arrays
            if self.row_shape is None
            else self.fitted_arrays | {"row": np.array(self.row_shape, np.int64)}
        )

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_arguments(cls, settings, "settings")
        model = cls(**settings)
        row = require_array(arrays, "row", np.integer, (None,), low=1, high=MOST)
        if not row.size:
            raise ValueError("row is empty, the shape of a row is needed")
        model.row_shape = tuple(row.tolist())
        model.fitted_arrays = {name: require_array(arrays, name, np.generic) for name in cls.array_names}
        model.check_arrays(model.row_shape)
        return model

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Reject restored arrays with another shape, type or range than those of `fit_arrays`.

        By default, the arrays in `array_shapes` must be finite floats.

        Args:
            row: shape of a row.

        Raises:
            ValueError: an array is invalid; the message names it.
        """
        for name, shape in self.array_shapes(row).items():
            if not require_array(self.fitted_arrays, name, np.generic).size:
                raise ValueError(f"{name} is empty")
            require_array(self.fitted_arrays, name, np.floating, shape, low=-LARGEST_VALUE, high=LARGEST_VALUE)

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the expected shapes of float arrays by their names, for `check_arrays`."""
        return {}


def flatten(rows: np.ndarray) -> np.ndarray:
    """Flatten rows, shape (n, *shape) to (n, features), float64."""
    return rows.reshape(len(rows), -1).astype(np.float64)
