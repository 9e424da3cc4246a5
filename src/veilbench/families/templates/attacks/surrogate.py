"""Differentiable match scores: exact if the key is known, otherwise a surrogate fitted to the scores of own images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from veilbench.attack_methods.ridge import ridge
from veilbench.families.templates.attacks.system import TemplateSystem

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from veilbench.families.templates.schemes.differentiable import DifferentiableScheme


def fit_features(system: TemplateSystem, own_images: np.ndarray) -> np.ndarray:
    """Fit features whose product with an image's features explains the image's score, for each victim.

    A user's rotation preserves cosines, so the score is linear in the features of the image presented, whatever the
    key: as many answers as there are features determine the victim's features, up to noise and the coarseness of bits.
    The fit is a ridge regression.

    Args:
        system: system that returns a score for each image and victim.
        own_images: the attacker's own images, shape (m, c, h, w); the last fifth chooses the regularisation strength.

    Returns:
        The fitted features, shape (victims, d), float32.
    """
    scheme, features = system.scheme, system.scheme.features(own_images)
    n, m = len(system.keys), len(own_images)
    templates = scheme.protect(np.tile(features, (n, 1)), np.repeat(system.keys, m))
    answers = scheme.compare(templates, np.repeat(system.templates, m, 0)).reshape(n, m).T
    cut, width = m * 4 // 5, features.shape[1]
    explained = ridge(features[:cut], answers[:cut], features[cut:], answers[cut:])[0]
    slopes = explained(np.eye(width, dtype=np.float32)) - explained(np.zeros((1, width), np.float32))
    return np.asarray(slopes.T, np.float32)


def surrogate_score(
    system: TemplateSystem, scheme: DifferentiableScheme, own_images: np.ndarray, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return a surrogate score: the cosine with fitted features. It needs the weights and score queries, but no key."""
    return cosine_score(scheme, fit_features(system, own_images), device)


def cosine_score(
    scheme: DifferentiableScheme, features: np.ndarray, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return a function for the cosine of images' features with `features`, shape (n, d), row by row."""
    import torch

    target = torch.from_numpy(features).to(device)

    def score(images: Tensor) -> Tensor:
        return torch.cosine_similarity(scheme.features_tensor(images), target, dim=1)

    return score


def exact_score(
    system: TemplateSystem, scheme: DifferentiableScheme, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return the system's own score, for an attacker with weights and keys; noise is redrawn in every call."""
    import torch

    wanted = torch.from_numpy(np.asarray(system.templates, np.float32)).to(device)

    def score(images: Tensor) -> Tensor:
        return scheme.similarity_tensor(scheme.protect_tensor(scheme.features_tensor(images), system.keys), wanted)

    return score
