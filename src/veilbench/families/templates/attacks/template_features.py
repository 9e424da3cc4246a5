"""Templates as feature vectors for machine learning."""

from __future__ import annotations

import numpy as np

from veilbench.attack_methods.ridge import ridge
from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import IndexScheme, TemplateScheme, normalise

OWN_KEYS, LEAST_ROWS = 6, 10  # keys of the attacker's own templates; training rows of a regression
MOST_LANDMARKS = 300  # templates that index templates are compared with


def as_vectors(scheme: TemplateScheme, templates: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Convert templates to vectors, shape (n, numbers), float32.

    Bits become -1 and 1. Index templates are represented by their comparison scores with landmarks, because indices
    have no order.

    Args:
        scheme: scheme that made the templates.
        templates: templates to convert, shape (n, ...).
        landmarks: templates to compare index templates with, shape (m, ...); under the same key if the key is known.
    """
    if scheme.binary:
        return np.asarray(2 * templates.reshape(len(templates), -1).astype(np.float32) - 1)
    if isinstance(scheme, IndexScheme):
        return scheme.compare_all(templates, landmarks)
    return np.asarray(templates.reshape(len(templates), -1), np.float32)


class TemplateFeatures:
    """Maps templates to feature vectors, given the attacker's own auxiliary images.

    If the key is unknown or the scheme has no keys, the vector is the template itself. If it has more values than there
    are auxiliary rows, it is projected onto the span of these rows, because a linear model learns nothing outside of
    it. If the key is known, the vector is an estimate of the features, which do not depend on the key: for each key, a
    ridge regression is fitted from the attacker's own templates under this key to their features.

    Args:
        scheme: template scheme that is attacked.
        auxiliary: the attacker's own impressions.
        key_known: whether the attacker knows the victims' keys.
        rng: source of the attacker's own keys.
    """

    def __init__(
        self, scheme: TemplateScheme, auxiliary: Impressions, key_known: bool, rng: np.random.Generator
    ) -> None:
        self.scheme, self.key_known = scheme, key_known and scheme.keyed
        self.features = scheme.features(auxiliary.samples)
        self.keys = self._own_keys(auxiliary.identities, rng)
        self.templates = scheme.protect(self.features, self.keys)
        self.order = rng.permutation(len(self.features))
        vectors = as_vectors(scheme, self.templates, self.templates)
        self.centre = vectors.mean(0)
        self.basis = self._basis(vectors)

    def _own_keys(self, people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a key for each identity; only `OWN_KEYS` keys in all if a regression is fitted for each key."""
        if not self.key_known:
            return draw_user_keys(people, rng)
        keys = rng.integers(0, 2**64, OWN_KEYS, dtype=np.uint64)
        return keys[np.unique(people, return_inverse=True)[1] % OWN_KEYS]

    def _basis(self, vectors: np.ndarray) -> np.ndarray | None:
        if vectors.shape[1] <= len(vectors) or self.key_known:
            return None
        return principal_components(vectors, len(vectors)).T

    def transform(self, templates: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Map templates to vectors.

        Args:
            templates: templates to map, of any people, shape (n, ...).
            keys: key of each template, shape (n,); used only if the attacker knows them.

        Returns:
            Vectors, shape (n, numbers), float32: features if the keys are known.
        """
        if not self.key_known:
            vectors = as_vectors(self.scheme, templates, self.templates) - self.centre
            return np.asarray(vectors if self.basis is None else vectors @ self.basis, np.float32)
        rows = np.empty((len(templates), self.features.shape[1]), np.float32)
        for key in np.unique(keys):
            same = keys == key
            rows[same] = features_under_key(self.scheme, key, self.features[self.order], templates[same])
        return rows

    def transform_own(self) -> np.ndarray:
        """Map the attacker's own templates to vectors; each regression is fitted to the rows under other keys."""
        if not self.key_known:
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
    """Estimate features from templates under one known key, by ridge regression; shape (n, d), rows of length 1.

    Args:
        scheme: scheme that made the templates.
        key: user key of all the templates.
        features: training features in random order, shape (m, d); the last fifth chooses the regularisation strength.
        templates: templates under the key to map to features, shape (n, ...).
    """
    training_templates = scheme.protect(features, np.full(len(features), key))
    landmarks = training_templates[:MOST_LANDMARKS]
    vectors, cut = as_vectors(scheme, training_templates, landmarks), max(1, len(features) * 4 // 5)
    inverse = ridge(vectors[:cut], features[:cut], vectors[cut:], features[cut:])[0]
    return normalise(inverse(as_vectors(scheme, templates, landmarks)))
