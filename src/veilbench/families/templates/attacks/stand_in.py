"""Likenesses with gradients: to a template whose key is known, or to features that scores of own images tell of."""

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


def learned_features(system: TemplateSystem, asked: np.ndarray) -> np.ndarray:
    """Features whose product with an image's explains the image's score, by ridge regression, for each victim.

    A user's turn keeps cosines, so that the score is linear in the features of the image presented, whatever the
    key: as many answers as there are features give away the victim's, but for noise and the coarseness of bits.

    Args:
        system: answers with scores, one for each image as each victim.
        asked: the attacker's own images, shape (m, c, h, w); the last fifth chooses how strongly to smooth.

    Returns:
        Shape (victims, d), float32.
    """
    scheme, features = system.scheme, system.scheme.features(asked)
    n, m = len(system.keys), len(asked)
    made = scheme.protect(np.tile(features, (n, 1)), np.repeat(system.keys, m))
    answers = scheme.compare(made, np.repeat(system.templates, m, 0)).reshape(n, m).T
    cut, width = m * 4 // 5, features.shape[1]
    explained = ridge(features[:cut], answers[:cut], features[cut:], answers[cut:])[0]
    slopes = explained(np.eye(width, dtype=np.float32)) - explained(np.zeros((1, width), np.float32))
    return np.asarray(slopes.T, np.float32)


def by_scores(
    system: TemplateSystem, scheme: DifferentiableScheme, asked: np.ndarray, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """The cosine with learned features: for whoever has the weights and the system's scores, and not the keys."""
    return likeness_to(scheme, learned_features(system, asked), device)


def likeness_to(scheme: DifferentiableScheme, learned: np.ndarray, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The cosine of an image's features with learned ones of shape (n, d), row by row."""
    import torch

    target = torch.from_numpy(learned).to(device)

    def likeness(images: Tensor) -> Tensor:
        return torch.cosine_similarity(scheme.features_tensor(images), target, dim=1)

    return likeness


def by_template(
    system: TemplateSystem, scheme: DifferentiableScheme, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """The system's own score, for whoever has the weights and the keys; noise is drawn anew in every call."""
    import torch

    wanted = torch.from_numpy(np.asarray(system.templates, np.float32)).to(device)

    def likeness(images: Tensor) -> Tensor:
        return scheme.similarity_tensor(scheme.protect_tensor(scheme.features_tensor(images), system.keys), wanted)

    return likeness
