"""Pairs of templates from two databases, as a linker sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.templates.attacks.decoders import principal
from veilbench.families.templates.attacks.reader import numbers
from veilbench.families.templates.schemes.base import TemplateScheme

MOST_COMPONENTS = 64


@dataclass(frozen=True)
class Databases:
    """Templates of the same people in two places.

    Attributes:
        first: shape (n, ...).
        second: shape (m, ...).
        owners: identities of the first, shape (n,).
        others: identities of the second, shape (m,).
    """

    first: np.ndarray
    second: np.ndarray
    owners: np.ndarray
    others: np.ndarray

    def people(self) -> tuple[np.ndarray, np.ndarray]:
        """Whose the templates of each pair are: all of the first with all of the second."""
        return np.repeat(self.owners, len(self.others)), np.tile(self.others, len(self.owners))


class PairView:
    """Pairs of templates as rows of numbers.

    Args:
        scheme: that made the templates.
        base: the attacker's own, which principal components are fitted to.
    """

    def __init__(self, scheme: TemplateScheme, base: Databases) -> None:
        self.scheme, self.base = scheme, base
        seen = numbers(scheme, base.first, base.first)
        self.centre = seen.mean(0)
        self.basis = principal(seen, MOST_COMPONENTS).T if seen.shape[1] > MOST_COMPONENTS else None

    def pairs(self, base: Databases) -> tuple[np.ndarray, np.ndarray]:
        """Products, absolute differences and the scheme's likeness of all pairs, shape (n m, numbers); the likeness."""
        a, b = (self._rows(side) for side in (base.first, base.second))
        likeness = self.scheme.compare_all(base.first, base.second).reshape(-1)
        parts = [(a[:, None] * b[None]), np.abs(a[:, None] - b[None])]
        flat = [part.reshape(len(likeness), -1) for part in parts]
        return np.hstack([*flat, likeness[:, None]]), likeness

    def _rows(self, templates: np.ndarray) -> np.ndarray:
        rows = numbers(self.scheme, templates, self.base.first) - self.centre
        return np.asarray(rows if self.basis is None else rows @ self.basis, np.float32)
