"""Template schemes with gradients, for white-box attacks."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from veilbench.families.templates.schemes.base import TemplateScheme

if TYPE_CHECKING:
    from torch import Tensor


class DifferentiableScheme(TemplateScheme):
    """A scheme whose templates and similarities are differentiable in the sample.

    The tensors hold the same values as `features`, `protect` and `compare`; bits are the numbers 0 and 1. A binary code
    passes gradients straight through its threshold (Bengio, Leonard and Courville 2013), and a noisy scheme draws fresh
    noise in every call.
    """

    def features_tensor(self, samples: Tensor) -> Tensor:
        """Return `features` on tensors, shape (n, ...) to (n, d); differentiable in `samples`."""
        return self.extractor.extract_tensor(samples)

    @abstractmethod
    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return `protect` on tensors, shape (n, d) to (n, ...), with keys of shape (n,), uint64; differentiable."""

    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """Return `compare` on tensors, by default the cosine, row by row, shape (n,); differentiable in both."""
        import torch

        return torch.cosine_similarity(a, b, dim=1)


def has_gradients(scheme: TemplateScheme) -> TypeGuard[DifferentiableScheme]:
    """Return whether a scheme is differentiable, and its extractor too."""
    return isinstance(scheme, DifferentiableScheme) and "gradients" not in scheme.lacks()
