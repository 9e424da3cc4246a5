"""Templates as feature vectors that a learner can use."""

from __future__ import annotations

import numpy as np

from veilbench.attack_methods.ridge import ridge
from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import IndexScheme, TemplateScheme, unit

OWN_KEYS, LEAST_ROWS, MOST_LANDMARKS = 6, 10, 300


def as_vectors(scheme: TemplateScheme, templates: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Convert templates to vectors, shape (n, numbers), float32.

    Bits become -1 and 1. Indices, which have no order, become comparison scores with landmarks.

    Args:
        scheme: scheme that made the templates.
        templates: templates to convert, shape (n, ...).
        landmarks: other templates to compare indices with, shape (m, ...), under the same key if the key is known.
    """
    if scheme.binary:
        return np.asarray(2 * templates.reshape(len(templates), -1).astype(np.float32) - 1)
    if isinstance(scheme, IndexScheme):
        return scheme.compare_all(templates, landmarks)
    return np.asarray(templates.reshape(len(templates), -1), np.float32)


class TemplateFeatures:
    """Maps templates to feature vectors, given the attacker's own auxiliary images.

    Without the key a template is its own vector. With the key the attacker fits, for each key separately, a ridge
    regression from templates under that key to features, whose meaning does not depend on the key. Templates without a
    key are used as they are. If there are more numbers than auxiliary rows, they are projected onto the span of these
    rows, outside of which nothing linear can be learned.

    Args:
        scheme: scheme that is under attack.
        auxiliary: the attacker's own impressions.
        known: whether the attacker has the victims' keys.
        rng: source of the attacker's own keys.
    """

    def __init__(self, scheme: TemplateScheme, auxiliary: Impressions, known: bool, rng: np.random.Generator) -> None:
        self.scheme, self.known = scheme, known and scheme.keyed
        self.features = scheme.features(auxiliary.images)
        self.keys = self._own_keys(auxiliary.identities, rng)
        self.templates = scheme.protect(self.features, self.keys)
        self.order = rng.permutation(len(self.features))
        seen = as_vectors(scheme, self.templates, self.templates)
        self.centre = seen.mean(0)
        self.basis = self._basis(seen)

    def _own_keys(self, people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a key for each identity; only a few keys in all if a regression is fitted for each key."""
        if not self.known:
            return user_keys(people, rng)
        few = rng.integers(0, 2**64, OWN_KEYS, dtype=np.uint64)
        return few[np.unique(people, return_inverse=True)[1] % OWN_KEYS]

    def _basis(self, seen: np.ndarray) -> np.ndarray | None:
        if seen.shape[1] <= len(seen) or self.known:
            return None
        return principal_components(seen, len(seen)).T

    def transform(self, templates: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Map templates to vectors.

        Args:
            templates: templates of any people, shape (n, ...).
            keys: key of each template, shape (n,); used only if the attacker knows them.

        Returns:
            Vectors, shape (n, numbers), float32: features if the keys are known.
        """
        if not self.known:
            seen = as_vectors(self.scheme, templates, self.templates) - self.centre
            return np.asarray(seen if self.basis is None else seen @ self.basis, np.float32)
        rows = np.empty((len(templates), self.features.shape[1]), np.float32)
        for key in np.unique(keys):
            same = keys == key
            rows[same] = features_under_key(self.scheme, key, self.features[self.order], templates[same])
        return rows

    def transform_own(self) -> np.ndarray:
        """Map the attacker's own templates to vectors, each by a regression that was fitted without its row."""
        if not self.known:
            return self.transform(self.templates, self.keys)
        rows = np.empty_like(self.features)
        for key in np.unique(self.keys):
            same = self.keys == key
            rest = self.order[~same[self.order]]
            rest = rest if len(rest) >= LEAST_ROWS else self.order
            rows[same] = features_under_key(self.scheme, key, self.features[rest], self.templates[same])
        return rows


def features_under_key(
    scheme: TemplateScheme, key: np.uint64, features: np.ndarray, templates: np.ndarray
) -> np.ndarray:
    """Estimate features of length 1 from templates under one known key, by ridge regression; shape (n, d).

    Args:
        scheme: scheme that made the templates.
        key: user key of all the templates.
        features: training features in random order, shape (m, d); the last fifth chooses the regularisation strength.
        templates: templates under the key to map to features, shape (n, ...).
    """
    seen = scheme.protect(features, np.full(len(features), key))
    landmarks = seen[:MOST_LANDMARKS]
    known, cut = as_vectors(scheme, seen, landmarks), max(1, len(features) * 4 // 5)
    inverse = ridge(known[:cut], features[:cut], known[cut:], features[cut:])[0]
    return unit(inverse(as_vectors(scheme, templates, landmarks)))
