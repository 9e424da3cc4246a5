"""Differentiable match scores: exact if the key is known, otherwise a surrogate fitted to queried scores."""

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
    """Estimate each victim's features from the match scores of the attacker's own images, by ridge regression.

    A key only rotates the features, which preserves cosines. For any key, the score is therefore linear in the features
    of the presented image. As many scores as features determine the victim's features, up to noise and quantisation.

    Args:
        system: recognition system that returns the match score of an image with a victim's template.
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


def build_surrogate_score(
    system: TemplateSystem, scheme: DifferentiableScheme, own_images: np.ndarray, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return a surrogate match score: the cosine with fitted features. Needs weights and score queries, but no key."""
    return build_cosine_score(scheme, fit_features(system, own_images), device)


def build_cosine_score(
    scheme: DifferentiableScheme, features: np.ndarray, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return a function of n images: the cosine of each image's features with its row of `features`, shape (n, d)."""
    import torch

    target = torch.from_numpy(features).to(device)

    def score(images: Tensor) -> Tensor:
        return torch.cosine_similarity(scheme.features_tensor(images), target, dim=1)

    return score


def build_exact_score(
    system: TemplateSystem, scheme: DifferentiableScheme, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return the system's match score as a differentiable function; it draws new noise in every call.

    The attacker needs the weights and the keys.
    """
    import torch

    enrolled = torch.from_numpy(np.asarray(system.templates, np.float32)).to(device)

    def score(images: Tensor) -> Tensor:
        return scheme.similarity_tensor(scheme.protect_tensor(scheme.features_tensor(images), system.keys), enrolled)

    return score
