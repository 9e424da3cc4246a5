"""A matcher of the ridges themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

import numpy as np
from annotated_types import Le

from veilbench.bench.limits import Count
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.ridge_alignment import Aligner, correlate_locally
from veilbench.families.templates.schemes.ridge_extractor import RidgeExtractor


class RidgeMatcher(TemplateScheme):
    """Compares prints by the correlation of their ridges, after alignment; the templates are the ridge maps.

    Two maps are aligned by the rotation and the shift with the highest correlation. Around each point of a grid they
    are then correlated once more, with small shifts that follow the skin's distortion, and the similarity is the mean
    of these correlations. The best of several alignments counts. Fingers with the same ridge directions but other
    ridges correlate little, so this matcher tells twins apart better than features of directions do.

    Nothing is protected. This is a baseline for comparisons, and a judge of reconstructed images.

    Args:
        extractor: extracts ridge maps.
        alignments: number of alignments to try for each pair.
    """

    keyed = False
    by_cosine = False
    own_arguments = ("alignments",)

    def __init__(self, extractor: RidgeExtractor, alignments: Annotated[Count, Le(20)] = 3) -> None:
        super().__init__(extractor)
        self.alignments = alignments

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the ridge maps unchanged."""
        return features.copy()

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of templates row by row, in [0, 1], shape (n,), float32."""
        first, second = unfold_maps(a), unfold_maps(b)
        scores, same = np.empty(len(a), np.float32), defaultdict(list)
        for i, row in enumerate(b):  # many images may be presented to one template, which is then prepared once
            same[row.tobytes()].append(i)
        for rows in same.values():
            scores[rows] = self._compare_with(first[rows], second[rows[0]])
        return scores

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of all pairs, in [0, 1], shape (n, m), float32."""
        first = unfold_maps(a)
        columns = [self._compare_with(first, ridges) for ridges in unfold_maps(b)]
        return np.stack(columns, 1) if columns else np.zeros((len(a), 0), np.float32)

    def _compare_with(self, maps: np.ndarray, ridges: np.ndarray) -> np.ndarray:
        """Return the similarity of each of several maps with one map, shape (n,)."""
        moves = Aligner(ridges).find(maps, self.alignments)
        best = [
            max(correlate_locally(one, ridges, move) for move in some) for one, some in zip(maps, moves, strict=True)
        ]
        return np.asarray(best, np.float32)


def unfold_maps(rows: np.ndarray) -> np.ndarray:
    """Return ridge maps as images, shape (n, h h) to (n, h, h), with mean square 1 where there are ridges."""
    side = round(rows.shape[1] ** 0.5)
    sizes = np.sqrt(np.maximum(np.count_nonzero(rows, axis=1), 1)[:, None])
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(rows * (sizes / lengths), np.float32).reshape(len(rows), side, side)
