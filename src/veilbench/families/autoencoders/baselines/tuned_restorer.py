"""Base class of classical restorers with one strength, chosen on validation images."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.families.autoencoders.baselines.image_restorer import ImageRestorer
from veilbench.families.autoencoders.data.rows import Rows

TRIED_ON = 24  # maximum number of validation images


class TunedRestorer(ImageRestorer):
    """A restorer with one strength, chosen from `factors` by the squared error on corrupted validation images."""

    array_names = ("strength",)
    factors: tuple[float, ...]  # candidate strengths, as multiples of the unit

    @abstractmethod
    def restore_image(self, image: np.ndarray, strength: float) -> np.ndarray:
        """Restore one image, shape (c, h, w); the result may lack the axis of a single channel."""

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the strength, shape (1,)."""
        clean = rows.validation.x[:TRIED_ON]
        seen = self.corrupt(clean, rng)
        strengths = [self.strength_unit() * factor for factor in self.factors]
        errors = [np.mean((self._restore_all(seen, strength) - clean) ** 2) for strength in strengths]
        return {"strength": np.array([strengths[int(np.argmin(errors))]], np.float64)}

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        require_array(self.fitted_arrays, "strength", np.floating, (1,), low=0)
        strengths = [self.strength_unit() * factor for factor in self.factors]
        if not np.isclose(strengths, self["strength"][0]).any():
            raise ValueError(
                f"strength holds {self['strength'][0]:g}, one of {', '.join(f'{x:g}' for x in strengths)} is needed"
            )

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        return self._restore_all(rows, float(self["strength"][0]))

    def _restore_all(self, rows: np.ndarray, strength: float) -> np.ndarray:
        return np.stack([self.restore_image(image, strength).reshape(image.shape) for image in rows]).astype(np.float32)
