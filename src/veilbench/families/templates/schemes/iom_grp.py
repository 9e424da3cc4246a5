"""Index-of-max hashing by Gaussian random projection."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.limits import Width, require_room
from veilbench.families.templates.schemes.base import IndexScheme
from veilbench.families.templates.schemes.extractor import Extractor


class IomGrp(IndexScheme):
    """The index of the nearest of q random directions, for each hash (Jin, Hwang, Lai, Kim and Teoh 2018,
    "Ranking-based locality sensitive hashing-enabled cancelable biometrics: index-of-max hashing").

    Args:
        extractor: maps samples to feature vectors.
        hashes: number of indices in a template (m of the paper).
        directions: number of random directions that each index chooses among (q of the paper).
    """  # noqa: D205

    own_arguments = ("hashes", "directions")

    def __init__(
        self,
        extractor: Extractor,
        hashes: Width = 300,
        directions: Annotated[int, Ge(2), Le(256)] = 16,
    ) -> None:
        super().__init__(extractor)
        self.hashes, self.directions = hashes, directions

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the indices, shape (n, hashes), uint8."""
        width, numbers = features.shape[1], self.hashes * self.directions
        require_room(f"hashes={self.hashes} of directions={self.directions}", width + len(features), numbers)
        matrix = rng.standard_normal((width, numbers), np.float32)
        products = (features @ matrix).reshape(len(features), self.hashes, self.directions)
        return np.asarray(products.argmax(2), np.uint8)
