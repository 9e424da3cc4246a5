"""Base class of restorers for white Gaussian noise of a given strength."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.limits import Positive
from veilbench.families.autoencoders.baselines.image_restorer import ImageRestorer


class FittedRestorer(ImageRestorer):
    """A restorer for white Gaussian noise of a known strength.

    Args:
        sigma: standard deviation of the noise, in the units of the images.
    """

    def __init__(self, sigma: Positive = 0.1) -> None:
        super().__init__()
        if sigma <= 0:
            raise ValueError(f"sigma={sigma} must be above 0")
        self.sigma = sigma

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"sigma": self.sigma}

    def corrupt(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Corrupt clean images, shape (n, c, h, w), float32."""
        return (clean + rng.normal(0, self.sigma, clean.shape)).astype(np.float32)

    def strength_unit(self) -> float:
        """Return the standard deviation of the noise, of which strengths are multiples."""
        return self.sigma
