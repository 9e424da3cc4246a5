"""What the restoring baselines share: images only, and a stated noise."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from veilbench.baselines.fitted import Fitted
from veilbench.data.rows import Rows
from veilbench.errors import UserError
from veilbench.representations.base import Restorer


class FittedRestorer(Fitted, Restorer):
    """A restorer made for white Gaussian noise of a known strength.

    Args:
        sigma: standard deviation of the noise, in the units of the images.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        super().__init__()
        if sigma <= 0:
            raise ValueError(f"sigma={sigma} must be above 0")
        self.sigma = sigma

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"sigma": self.sigma}

    def fit(self, data: Rows, rng: np.random.Generator) -> Self:
        """See `Fitted.fit`."""
        if isinstance(data, Rows) and len(data.shape) != 3:
            raise UserError(f"{type(self).__name__} restores images; these rows have the shape {data.shape}")
        return super().fit(data, rng)
