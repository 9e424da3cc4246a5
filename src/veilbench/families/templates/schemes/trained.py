"""Template schemes whose features come from trained encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from veilbench.bench.trained_model import unsupported
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.nets.in_parts import apply_in_parts

AT_ONCE = 64  # images per forward pass, whose activations fit into the cache


class TrainedScheme(DifferentiableScheme):
    """A scheme whose features are the outputs of trained networks."""

    @unsupported("it is made by training")
    def fit(self, data: Any, rng: np.random.Generator) -> NoReturn:
        """Raise an error, because the scheme is made by training.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"{type(self).__name__} is made by training")

    def lacks(self) -> Mapping[str, str]:
        """Return nothing, because trained networks have gradients."""
        return {}

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Return features of images of shape (n, 1, h, w), shape (n, d), float32; computed in parts to save memory."""
        return apply_in_parts(self.features_tensor, samples, AT_ONCE)
