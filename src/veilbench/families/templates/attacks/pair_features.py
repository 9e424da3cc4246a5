"""Features of pairs of templates from two databases, for a linker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.attacks.template_features import as_vectors
from veilbench.families.templates.schemes.base import TemplateScheme

MOST_COMPONENTS = 64  # principal components of a template


@dataclass(frozen=True)
class Databases:
    """Templates of the same people in two databases.

    Attributes:
        first: templates of the first database, shape (n, ...).
        second: templates of the second database, shape (m, ...).
        owners: identities of the first database, shape (n,).
        others: identities of the second database, shape (m,).
    """

    first: np.ndarray
    second: np.ndarray
    owners: np.ndarray
    others: np.ndarray

    def people(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the two identities of each pair of a first and a second template; shape (n m,) each."""
        return np.repeat(self.owners, len(self.others)), np.tile(self.others, len(self.owners))


class PairFeatures:
    """Represents pairs of templates as feature vectors.

    Args:
        scheme: scheme that made the templates.
        base: the attacker's own templates. Principal components are fitted to those of the first database.
    """

    def __init__(self, scheme: TemplateScheme, base: Databases) -> None:
        self.scheme, self.base = scheme, base
        vectors = as_vectors(scheme, base.first, base.first)
        self.centre = vectors.mean(0)
        self.basis = principal_components(vectors, MOST_COMPONENTS).T if vectors.shape[1] > MOST_COMPONENTS else None

    def pairs(self, databases: Databases) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of all pairs of two databases, and their comparison scores.

        Args:
            databases: two databases with n and m templates.

        Returns:
            Products, absolute differences and comparison score of each pair, shape (n m, numbers); and the scores
            alone, shape (n m,).
        """
        a, b = (self._rows(side) for side in (databases.first, databases.second))
        similarity = self.scheme.compare_all(databases.first, databases.second).reshape(-1)
        parts = [(a[:, None] * b[None]), np.abs(a[:, None] - b[None])]
        flat = [part.reshape(len(similarity), -1) for part in parts]
        return np.hstack([*flat, similarity[:, None]]), similarity

    def _rows(self, templates: np.ndarray) -> np.ndarray:
        rows = as_vectors(self.scheme, templates, self.base.first) - self.centre
        return np.asarray(rows if self.basis is None else rows @ self.basis, np.float32)
