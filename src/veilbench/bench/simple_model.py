"""Trained models that are saved as the arguments of their constructor and the arrays that they were fitted to."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

from veilbench.bench.checked_arrays import require_range
from veilbench.bench.limits import require_arguments
from veilbench.bench.trained_model import TrainedModel


class NotesArguments:
    """Notes the arguments of the constructor, so that the same object can be constructed again.

    Attributes:
        arguments: the arguments by their names, defaults included.
    """

    arguments: dict[str, Any]

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Note the arguments."""
        made = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind(made, *arguments, **named)
        bound.apply_defaults()
        made.__dict__["arguments"] = dict(list(bound.arguments.items())[1:])
        return made


class SimpleModel(NotesArguments, TrainedModel):
    """A model for plug-ins: the constructor's arguments are plain values, and `fit` sets `fitted`.

    `fit` returns a new model: `self.with_fitted(mean=..., weights=...)`.

    Attributes:
        fitted: the arrays that `fit` computed, by their names; numbers without NaN and infinity.
    """

    fitted: dict[str, np.ndarray]

    def with_fitted(self, **fitted: np.ndarray) -> Self:
        """Return a new model with the same arguments and these arrays."""
        made = type(self)(**self.arguments)
        made.fitted = {name: np.asarray(array) for name, array in fitted.items()}
        return made

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return self.arguments

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the fitted arrays."""
        return self.fitted

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the model from what `settings` and `arrays` returned.

        Raises:
            ValueError: a setting is not an argument of the constructor, or an array holds NaN or infinity.
        """
        require_arguments(cls, settings, "settings")
        for name, array in arrays.items():
            require_range(array, name)
        return cls(**settings).with_fitted(**arrays)
