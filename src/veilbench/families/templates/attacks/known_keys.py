"""Features estimated from templates whose keys the attacker knows."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.attacks.template_features import features_under_key
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.schemes.base import TemplateScheme


class FeatureEstimates:
    """Estimates features, which do not depend on a key, from templates and their keys.

    For each key, a ridge regression is fitted from the attacker's own templates under this key to their features, see
    `features_under_key`. The attacker's own people are left out of the regressions that their own templates are mapped
    with, so that these estimates are no better than those of strangers.

    Args:
        scheme: scheme that made the templates.
        own: the attacker's own impressions.
        rng: source of the order of the impressions, whose last fifth chooses the regression's strength.
    """

    def __init__(self, scheme: TemplateScheme, own: Impressions, rng: np.random.Generator) -> None:
        order = rng.permutation(len(own))
        self.scheme, self.people = scheme, own.identities[order]
        self.features = scheme.features(own.samples[order])

    def estimate(self, templates: np.ndarray, keys: np.ndarray, identities: np.ndarray) -> np.ndarray:
        """Return features estimated from templates.

        Args:
            templates: templates of any people, shape (n, ...).
            keys: key of each template, shape (n,), uint64.
            identities: identity of each template, shape (n,); only those of the attacker's own people are used.

        Returns:
            Features of length 1, shape (n, d), float32.
        """
        rows = np.empty((len(templates), self.features.shape[1]), np.float32)
        for key in np.unique(keys):
            same = keys == key
            others = ~np.isin(self.people, identities[same])
            rows[same] = features_under_key(self.scheme, key, self.features[others], templates[same])
        return rows
