"""A dictionary attack: the attacker's own images, of which the most similar one is presented."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.bench.findings import BudgetCurve
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.metrics.nearest import nearest


def score_own_features(system: TemplateSystem, features: np.ndarray) -> np.ndarray:
    """Return the match score of each of the attacker's own feature vectors with each victim's template.

    An attacker with the victims' keys computes the scores; one without them queries the system.

    Args:
        system: recognition system, under whose keys the features are presented.
        features: features of the attacker's own images, shape (m, d).

    Returns:
        Scores, shape (victims, m).
    """
    scheme, m = system.scheme, len(features)
    return np.stack(
        [
            scheme.compare(scheme.protect(features, np.full(m, key)), np.repeat(template[None], m, 0))
            for key, template in zip(system.keys, system.templates, strict=True)
        ]
    )


def find_nearest_template(system: TemplateSystem, features: TemplateFeatures) -> np.ndarray:
    """Return the index of the attacker's own template nearest to each victim's, shape (victims,).

    The templates are under different keys, which the attacker may not know.
    """
    codes = features.transform(system.templates, system.keys)
    return np.asarray(nearest(codes, features.transform_own())[0])


def measure_dictionary(system: TemplateSystem, scores: np.ndarray) -> BudgetCurve:
    """Return the share of victims who are met by the best of half and of all of the attacker's own images.

    Args:
        system: recognition system that decides, best one with held-out victims.
        scores: match scores of the attacker's own images in random order, shape (victims, m).
    """
    sizes = sorted({max(1, scores.shape[1] // 2), scores.shape[1]})
    return BudgetCurve("the attacker's own images", sizes, share_met(system, [scores[:, :size] for size in sizes]))


def share_met(system: TemplateSystem, scores: Sequence[np.ndarray]) -> list[float]:
    """Return the share of victims whose highest score is accepted, for each array of shape (victims, tries)."""
    return [float((tried.max(1) >= system.threshold).mean()) for tried in scores]
