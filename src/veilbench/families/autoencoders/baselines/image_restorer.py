"""Base class of image restorers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Restorer


class ImageRestorer(Fitted, Restorer):
    """A restorer that knows the corruption, and can apply it to clean images to obtain training pairs."""

    @abstractmethod
    def corrupt(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply the corruption that this restorer undoes to clean images, shape (n, c, h, w), float32."""

    def strength_unit(self) -> float:
        """Return the unit of the strengths of a `TunedRestorer`."""
        return 1.0

    def fit(self, data: Rows, rng: np.random.Generator) -> Self:
        """Return a copy of the restorer fitted to training images."""
        if isinstance(data, Rows) and len(data.shape) != 3:
            raise UserError(f"{type(self).__name__} restores images; these rows have the shape {data.shape}")
        return super().fit(data, rng)

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        if len(row) != 3:
            raise ValueError(f"row holds {list(row)}, the shape of an image is needed: channels, height, width")
        super().check_arrays(row)
