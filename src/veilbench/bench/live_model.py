"""Models that live in memory only: objects of the caller that `veilbench.audit` examines as they are."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from veilbench.bench.trained_model import TrainedModel

NOT_SAVED = (
    "an object of the caller is examined as it is, and not saved; see docs/finished_models.md for models in files"
)


class NotSaved:
    """What wraps an object of the caller, and has no settings and arrays to save."""

    def settings(self) -> NoReturn:
        """Raise an error.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(NOT_SAVED)

    def arrays(self) -> NoReturn:
        """Raise an error.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(NOT_SAVED)

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> NoReturn:
        """Raise an error.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(NOT_SAVED)


class LiveModel(NotSaved, TrainedModel):
    """An object of the caller, examined as a trained model."""

    finished = True
