"""Base class of classical restorers with one strength, chosen on validation images."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.families.autoencoders.baselines.image_restorer import ImageRestorer
from veilbench.families.autoencoders.data.rows import Rows

TRIED_ON = 24  # maximum number of validation images


class TunedRestorer(ImageRestorer):
    """A restorer with one setting, chosen among `factors` by the error on validation images that it corrupts itself."""

    names = ("strength",)
    factors: tuple[float, ...]  # candidate strengths, as multiples of the unit

    @abstractmethod
    def one(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w); the result may lack the axis of a single channel."""

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the strength, shape (1,)."""
        clean = rows.validation.x[:TRIED_ON]
        seen = self.spoiled(clean, rng)
        tried = [self.unit() * factor for factor in self.factors]
        errors = [np.mean((self._all(seen, strength) - clean) ** 2) for strength in tried]
        return {"strength": np.array([tried[int(np.argmin(errors))]], np.float64)}

    def check(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array is not as `fit_arrays` makes it."""
        require_array(self.kept, "strength", np.floating, (1,), low=0)
        tried = [self.unit() * factor for factor in self.factors]
        if not np.isclose(tried, self["strength"][0]).any():
            raise ValueError(
                f"strength holds {self['strength'][0]:g}, one of {', '.join(f'{x:g}' for x in tried)} is needed"
            )

    def restored(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        return self._all(rows, float(self["strength"][0]))

    def _all(self, rows: np.ndarray, strength: float) -> np.ndarray:
        return np.stack([self.one(image, strength).reshape(image.shape) for image in rows]).astype(np.float32)
