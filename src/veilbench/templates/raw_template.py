"""The features as they are: no protection."""

from __future__ import annotations

import numpy as np

from veilbench.templates.base import TemplateScheme


class RawTemplate(TemplateScheme):
    """Keeps the features themselves. With pixels as features, whoever has the template has the image."""

    keyed = False

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The features."""
        return features.copy()
