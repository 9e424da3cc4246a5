"""Template schemes that offer gradients, for white-box attacks."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from veilbench.families.templates.schemes.base import TemplateScheme

if TYPE_CHECKING:
    from torch import Tensor


class DifferentiableScheme(TemplateScheme):
    """A scheme that says how its templates and their similarity change with the image.

    The tensors hold what `features`, `protect` and `compare` hold; bits are the numbers 0 and 1. A binary code passes
    gradients straight through its threshold (Bengio, Leonard and Courville 2013), and a noisy scheme draws fresh noise
    in every call.
    """

    @abstractmethod
    def features_tensor(self, images: Tensor) -> Tensor:
        """`features` on tensors, shape (n, c, h, w) to (n, d); differentiable in `images`."""

    @abstractmethod
    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """`protect` on tensors, shape (n, d) to (n, ...), with keys of shape (n,), uint64; differentiable."""

    @abstractmethod
    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """`compare` on tensors, row by row, shape (n,); differentiable in both."""
