"""A subject's own features without protection, for positive controls."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme, has_gradients

if TYPE_CHECKING:
    from torch import Tensor

TRIED_KEYS, SAME = 2, 1e-5  # keys under which templates are compared; largest difference of equal scores, by rounding


class OpenFeatures(TemplateScheme):
    """Stores the features of another scheme unchanged: what every attack on that scheme must break.

    An attack that fails here has not shown that the other scheme's transformation or key protects anything.

    Args:
        subject: scheme that extracts the features, with trained weights.
    """

    keyed = False

    def __init__(self, subject: TemplateScheme) -> None:
        self.subject = subject

    @classmethod
    def of(cls, subject: TemplateScheme) -> OpenFeatures:
        """Return the open features of a scheme, differentiable if the scheme is."""
        return DifferentiableOpenFeatures(subject) if has_gradients(subject) else OpenFeatures(subject)

    def fit(self, data: Any, rng: np.random.Generator) -> Self:
        """Return the scheme itself: the subject is trained already."""
        return self

    def lacks(self) -> Mapping[str, str]:
        """Return what the subject lacks."""
        return self.subject.lacks()

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Return the subject's features of samples, shape (n, ...) to (n, d), float32."""
        return self.subject.features(samples)

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the features unchanged."""
        return features.copy()

    def variant(self, samples: np.ndarray) -> str:
        """Return a text that differs between subjects with different features of these samples."""
        digest = hashlib.sha256(np.ascontiguousarray(self.features(samples)).tobytes())
        return f"features {digest.hexdigest()[:12]}"

    def compares_alike(self, samples: np.ndarray) -> bool:
        """Return whether the subject's templates of samples are as similar as their features, under each of two keys.

        Rotations, for example, change no similarity: an attacker who sees only scores cannot tell them from features.
        """
        openly = self.compare_all(*[self.features(samples)] * 2)
        for key in range(TRIED_KEYS):
            templates = self.subject.enroll(samples, np.full(len(samples), key, np.uint64))
            if not np.allclose(self.subject.compare_all(templates, templates), openly, atol=SAME):
                return False
        return True

    def settings(self) -> NoReturn:
        """Raise an error, because controls are not saved.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("open features are a control, which is not saved")


class DifferentiableOpenFeatures(OpenFeatures, DifferentiableScheme):
    """The same for a differentiable scheme."""

    subject: DifferentiableScheme

    def features_tensor(self, samples: Tensor) -> Tensor:
        """Return features of samples, shape (n, ...) to (n, d); differentiable."""
        return self.subject.features_tensor(samples)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return the features unchanged."""
        return features
