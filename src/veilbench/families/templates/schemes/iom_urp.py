"""Index-of-max hashing by uniformly random permutation."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Depth, Width, require_room
from veilbench.families.templates.schemes.base import IndexScheme
from veilbench.families.templates.schemes.extractor import Extractor


class IomUrp(IndexScheme):
    """The position of the largest of the first k products of permuted features, for each hash (Jin, Hwang, Lai, Kim and
    Teoh 2018, "Ranking-based locality sensitive hashing-enabled cancelable biometrics: index-of-max
    hashing").

    Args:
        extractor: maps samples to feature vectors.
        hashes: number of indices in a template (m of the paper).
        window: number of products that each index chooses among (k of the paper); at most the number of features.
        order: number of permutations multiplied element by element (p of the paper).
    """  # noqa: D205

    own_arguments = ("hashes", "window", "order")

    def __init__(
        self,
        extractor: Extractor,
        hashes: Width = 300,
        window: Annotated[int, Ge(2), Le(65_536)] = 64,
        order: Depth = 2,
    ) -> None:
        super().__init__(extractor)
        self.hashes, self.window, self.order = hashes, window, order

    def draw_indices(self, width: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the indices of the features that are multiplied, shape (hashes, order, window)."""
        if self.window > width:
            raise UserError(f"window={self.window} must be at most {width}, the number of features")
        require_room(f"hashes={self.hashes} of order={self.order}", self.hashes, self.order, width, each=16)
        all_indices = np.broadcast_to(np.arange(width), (self.hashes * self.order, width))
        return rng.permuted(all_indices, axis=1)[:, : self.window].reshape(self.hashes, self.order, self.window)

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the indices, shape (n, hashes), uint16."""
        numbers = (len(features), self.hashes, self.order, self.window)
        require_room(f"hashes={self.hashes} of order={self.order}, window={self.window}", *numbers)
        # (n, hashes, order, window) to (n, hashes, window)
        products = features[:, self.draw_indices(features.shape[1], rng)].prod(2)
        return np.asarray(products.argmax(2), np.uint16)
