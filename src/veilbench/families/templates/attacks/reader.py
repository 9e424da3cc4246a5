"""Templates as rows of numbers that a learner can work with."""

from __future__ import annotations

import numpy as np

from veilbench.attack_methods.ridge import ridge
from veilbench.families.templates.attacks.decoders import principal
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import IndexScheme, TemplateScheme, unit

OWN_KEYS, LEAST_ROWS, MOST_LANDMARKS = 6, 10, 300


def numbers(scheme: TemplateScheme, templates: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Shape (n, numbers), float32: bits as -1 and 1; whole numbers, which have no order, by likeness to landmarks.

    Args:
        scheme: that made the templates.
        templates: shape (n, ...).
        landmarks: other templates, shape (m, ...), under the same key where the key is known.
    """
    if scheme.binary:
        return np.asarray(2 * templates.reshape(len(templates), -1).astype(np.float32) - 1)
    if isinstance(scheme, IndexScheme):
        return scheme.compare_all(templates, landmarks)
    return np.asarray(templates.reshape(len(templates), -1), np.float32)


class TemplateReader:
    """What an attacker makes of templates, with auxiliary images of his own.

    Without the key he sees the numbers of a template. With it he learns, for each key afresh, the ridge regression
    from templates under that key to features, and reads templates as features: numbers that mean the same whatever the
    key. Templates without a key are read as they are. More numbers than auxiliary rows are turned into the space that
    these span, beyond which nothing linear could be learned.

    Args:
        scheme: attacked.
        auxiliary: the attacker's impressions.
        known: whether he has the victims' keys.
        rng: draws his own keys.
    """

    def __init__(self, scheme: TemplateScheme, auxiliary: Impressions, known: bool, rng: np.random.Generator) -> None:
        self.scheme, self.known = scheme, known and scheme.keyed
        self.features = scheme.features(auxiliary.images)
        self.keys = self._own_keys(auxiliary.identities, rng)
        self.templates = scheme.protect(self.features, self.keys)
        self.order = rng.permutation(len(self.features))
        seen = numbers(scheme, self.templates, self.templates)
        self.centre = seen.mean(0)
        self.turn = self._turn(seen)

    def _own_keys(self, people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A key for each identity; a few for all where the attacker learns to read each key."""
        if not self.known:
            return user_keys(people, rng)
        few = rng.integers(0, 2**64, OWN_KEYS, dtype=np.uint64)
        return few[np.unique(people, return_inverse=True)[1] % OWN_KEYS]

    def _turn(self, seen: np.ndarray) -> np.ndarray | None:
        if seen.shape[1] <= len(seen) or self.known:
            return None
        return principal(seen, len(seen)).T

    def read(self, templates: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Templates under these keys, which are looked at only if they are known; shape (n, numbers), float32."""
        if not self.known:
            seen = numbers(self.scheme, templates, self.templates) - self.centre
            return np.asarray(seen if self.turn is None else seen @ self.turn, np.float32)
        rows = np.empty((len(templates), self.features.shape[1]), np.float32)
        for key in np.unique(keys):
            places = keys == key
            rows[places] = read_under(self.scheme, key, self.features[self.order], templates[places])
        return rows

    def own(self) -> np.ndarray:
        """The attacker's own templates, read as he will read the victims': by what he learned without these rows."""
        if not self.known:
            return self.read(self.templates, self.keys)
        rows = np.empty_like(self.features)
        for key in np.unique(self.keys):
            mine = self.keys == key
            rest = self.order[~mine[self.order]]
            rest = rest if len(rest) >= LEAST_ROWS else self.order
            rows[mine] = read_under(self.scheme, key, self.features[rest], self.templates[mine])
        return rows


def read_under(scheme: TemplateScheme, key: np.uint64, features: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """Templates under one known key, read as features of length 1, shape (n, d): ridge regression, learned for it.

    Args:
        scheme: that made them.
        key: theirs.
        features: to learn from, in random order, shape (m, d); a fifth of them choose the strength.
        templates: shape (n, ...).
    """
    seen = scheme.protect(features, np.full(len(features), key))
    landmarks = seen[:MOST_LANDMARKS]
    known, cut = numbers(scheme, seen, landmarks), max(1, len(features) * 4 // 5)
    inverse = ridge(known[:cut], features[:cut], known[cut:], features[cut:])[0]
    return unit(inverse(numbers(scheme, templates, landmarks)))
