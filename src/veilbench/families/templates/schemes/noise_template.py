"""Noise in place of templates, for negative controls."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.hashed_noise import hash_to_noise
from veilbench.bench.limits import Width
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor


class NoiseTemplate(TemplateScheme):
    """Templates are normal random numbers, seeded with a user's key and all bits of the features.

    Only identical features under the same key match; a template alone reveals nothing.

    Args:
        extractor: maps samples to feature vectors.
        dimensions: numbers in a template.
    """

    own_arguments = ("dimensions",)

    def __init__(self, extractor: Extractor, dimensions: Annotated[Width, Ge(2)] = 64) -> None:
        super().__init__(extractor)
        self.dimensions = dimensions

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the noise, shape (n, dimensions), float32."""
        return hash_to_noise(rng.bytes(8), features, self.dimensions)
