"""A fuzzy extractor of real numbers: a secure sketch by the lattice E8, and a linear extractor."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Seed, require_room
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal

BLOCK = 8  # dimensions of E8
MODULUS = 65_521  # the largest prime below 2^16: residues are exact in float32


class LatticeFuzzyExtractor(TemplateScheme):
    """A sketch of the features modulo the lattice E8, and hashes of their lattice points.

    A generic fuzzy extractor (Dodis, Ostrovsky, Reyzin and Smith 2008) for the Euclidean distance, with E8 as in Zhang,
    Cui and Yu (2021, "Facial template protection via lattice-based fuzzy extractors", eprint 2021/1559). Features are
    rotated by a user's orthogonal matrix, scaled, and cut into blocks of eight, x. The template holds the sketch
    s = x - Q(x), where Q(x) is the nearest point of E8, and a hash H(Q(x)) of each block. A probe x' reproduces the
    point by Q(x' - s) = Q(x) if x' - x is shorter than half the lattice's smallest distance, 0.707. H is linear modulo
    a prime, a universal hash family and so a strong extractor (leftover hash lemma), with public coefficients.

    **This is not L2FE-Hash** (Prabhakar, Xu and Saxena 2025, "Model inversion attacks meet cryptographic fuzzy
    extractors", arXiv 2510.25687), whose definition was not available in full: that rests on learning with errors. What
    is ours: each block is hashed on its own, and the score is the share of blocks whose hash is reproduced, so that
    there is a threshold to set; a fuzzy extractor proper accepts a score of 1 alone. Since H is linear and Q(x' - s) =
    Q(x') + Q(s' - s), the score is computed from two templates. The scheme promises nothing beyond the entropy of a
    block, which is small for the features here.

    Args:
        extractor: maps samples to feature vectors.
        scale: length to which the feature vectors are scaled. The smaller, the more noise is tolerated, and the fewer
            lattice points tell people apart.
        residues: residues of a block's hash, 16 bits each.
        seed: seed of the hash's public coefficients.
    """

    by_cosine = False
    own_arguments = ("scale", "residues", "seed")

    def __init__(
        self,
        extractor: Extractor,
        scale: Annotated[float, Gt(0), Le(1000)] = 4.0,
        residues: Annotated[int, Ge(1), Le(16)] = 2,
        seed: Seed = 0,
    ) -> None:
        super().__init__(extractor)
        self.scale, self.residues, self.seed = scale, residues, seed

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return sketches and hashes of the blocks, shape (n, blocks x (8 + residues)), float32."""
        blocks = self.rotate(features, rng)
        points = nearest_points(blocks)
        parts = np.concatenate([blocks - points, self.hash_points(points)], 2)
        return np.asarray(parts.reshape(len(features), -1), np.float32)

    def rotate(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the rotated and scaled features in blocks, shape (n, blocks, 8), float64."""
        if features.shape[1] % BLOCK:
            raise UserError(f"the number of features, {features.shape[1]}, must be a multiple of {BLOCK}")
        width = features.shape[1]
        turned = self.scale * (features.astype(np.float64) @ draw_orthonormal(width, width, rng))
        return np.asarray(turned.reshape(len(features), -1, BLOCK))

    def split(self, templates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sketches, shape (n, blocks, 8), and the hashes, shape (n, blocks, residues), both float64."""
        parts = templates.astype(np.float64).reshape(len(templates), -1, BLOCK + self.residues)
        return parts[..., :BLOCK], parts[..., BLOCK:]

    def hash_points(self, points: np.ndarray) -> np.ndarray:
        """Hash points of E8, shape (n, blocks, 8) to (n, blocks, residues): a linear map of their doubled coordinates.

        Every sum is below 2^53, so float64 is exact.
        """
        shape = (points.shape[1], BLOCK, self.residues)
        require_room(f"hashes of residues={self.residues}", *shape[::2])
        coefficients = np.random.default_rng(self.seed).integers(0, MODULUS, shape).astype(np.float64)
        whole = np.mod(2 * points, MODULUS)
        return np.asarray(np.mod(np.einsum("nbi,bir->nbr", whole, coefficients), MODULUS))

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of blocks whose hash is reproduced, row by row, shape (n,), float32."""
        (sketch, hashes), (other, wanted) = self.split(a), self.split(b)
        moved = np.mod(hashes + self.hash_points(nearest_points(sketch - other)), MODULUS)
        return np.asarray((moved == wanted).all(2).mean(1), np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of reproduced blocks of all pairs, shape (n, m), float32."""
        rows = [self.compare(np.repeat(row[None], len(b), 0), b) for row in a]
        return np.stack(rows) if rows else np.zeros((0, len(b)), np.float32)


def nearest_points(blocks: np.ndarray) -> np.ndarray:
    """Return the nearest point of E8 of each block, shape (..., 8) (Conway and Sloane 1982).

    E8 is D8, the integer vectors with an even sum, and D8 shifted by (1/2, ..., 1/2).
    """
    whole, halves = _nearest_even(blocks), _nearest_even(blocks - 0.5) + 0.5
    nearer = ((blocks - whole) ** 2).sum(-1) <= ((blocks - halves) ** 2).sum(-1)
    return np.where(nearer[..., None], whole, halves)


def _nearest_even(blocks: np.ndarray) -> np.ndarray:
    """Return the nearest point of D8: round, and if the sum is odd, round the worst coordinate the other way."""
    points = np.rint(blocks)
    missed = blocks - points
    worst = np.abs(missed).argmax(-1)[..., None]
    turned = points + np.where(np.take_along_axis(missed, worst, -1) < 0, -1, 1) * (np.arange(BLOCK) == worst)
    odd = points.sum(-1, keepdims=True) % 2 != 0
    return np.asarray(np.where(odd, turned, points))
