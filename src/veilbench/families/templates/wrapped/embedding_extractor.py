"""Precomputed embeddings as features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import require_arguments
from veilbench.families.templates.data.identities import EmbeddedIdentities, Identities
from veilbench.families.templates.schemes.extractor import Extractor

if TYPE_CHECKING:
    from torch import Tensor


class EmbeddingExtractor(Extractor):
    """Returns embeddings, scaled to length 1. The network that computed them is not needed."""

    data_kind: ClassVar[type[Identities]] = EmbeddedIdentities

    def fit(self, samples: np.ndarray, rng: np.random.Generator) -> Self:
        """Return the extractor itself, because nothing is fitted."""
        return self

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return embeddings of shape (n, d) scaled to length 1, float32.

        Raises:
            UserError: the samples are images.
        """
        if samples.ndim != 2:
            raise UserError(f"samples of shape {samples.shape[1:]} are no embeddings: shape (numbers,) is needed")
        lengths = np.linalg.norm(samples, axis=1, keepdims=True)
        return np.asarray(samples / np.maximum(lengths, 1e-12), np.float32)

    def extract_tensor(self, samples: Tensor) -> Tensor:
        """Return embeddings scaled to length 1, shape (n, d), with gradients."""
        import torch

        return torch.nn.functional.normalize(samples.float(), dim=1)

    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return no arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the extractor, which has no settings."""
        require_arguments(cls, settings, "settings.extractor")
        return cls()
