"""Template schemes whose features come from trained encoders."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from veilbench.bench.subject import unsupported
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.nets.in_parts import in_parts

AT_ONCE = 64  # images: what they need fits into the cache


class TrainedScheme(DifferentiableScheme):
    """A scheme that a training makes, and whose features are those of its nets."""

    @unsupported("it is made by training")
    def fit(self, data: Any, rng: np.random.Generator) -> NoReturn:
        """See `Subject.fit`.

        Raises:
            NotImplementedError: always; it is made by training.
        """
        raise NotImplementedError(f"{type(self).__name__} is made by training")

    def features(self, images: np.ndarray) -> np.ndarray:
        """`features_tensor` on images of shape (n, 1, h, w): shape (n, d), float32."""
        return in_parts(self.features_tensor, images, AT_ONCE)
