"""Exact nearest-neighbour search among enrolled templates."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.families.templates.schemes.base import TemplateScheme, normalise
from veilbench.families.templates.store.packing import Packing

AT_ONCE = 100_000  # templates per block, to bound the memory


class Gallery:
    """Searches for the most similar templates, exactly, by the scheme's own similarity.

    Binary templates are compared by faiss (`IndexBinaryFlat`, Hamming distance) if it is installed, and otherwise by
    numpy; templates that are compared by their cosine by a matrix product; all others by the scheme.

    Args:
        scheme: scheme that made the templates.
        packing: storage format of the rows.
        rows: stored templates, shape (n, columns).
    """

    def __init__(self, scheme: TemplateScheme, packing: Packing, rows: np.ndarray) -> None:
        self.scheme, self.packing = scheme, packing
        as_numbers = packing.bits or not scheme.by_cosine
        self.rows = np.ascontiguousarray(rows if as_numbers else normalise(rows))
        self.index = _hamming_index(self.rows) if packing.bits else None

    def nearest(self, probes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the `count` most similar templates of each probe, best first.

        Args:
            probes: templates in storage format, shape (m, columns).
            count: number of templates to find; all of them if there are fewer.

        Returns:
            Similarities, shape (m, count), float32, and row indices, shape (m, count), int64.
        """
        count = min(count, len(self.rows))
        if self.index is not None:
            distances, indices = self.index.search(np.ascontiguousarray(probes), count)
            return self._to_similarities(distances), np.asarray(indices, np.int64)
        best, indices = np.empty((len(probes), 0), np.float32), np.empty((len(probes), 0), np.int64)
        for start in range(0, len(self.rows), AT_ONCE):
            similarities = self._compare(probes, self.rows[start : start + AT_ONCE])
            block_indices = np.broadcast_to(np.arange(start, start + similarities.shape[1]), similarities.shape)
            best, indices = _best(np.hstack([best, similarities]), np.hstack([indices, block_indices]), count)
        return best, indices

    def _compare(self, probes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.packing.bits:
            rows = _words(rows)
            return self._to_similarities(
                np.stack([np.bitwise_count(rows ^ probe).sum(1, dtype=np.int32) for probe in _words(probes)])
            )
        if not self.scheme.by_cosine:
            return self.scheme.compare_all(probes, rows)
        return np.asarray(normalise(probes) @ rows.T)

    def _to_similarities(self, distances: np.ndarray) -> np.ndarray:
        """Convert Hamming distances to shares of equal bits."""
        return np.asarray(1 - distances / self.packing.width, np.float32)


def _best(similarities: np.ndarray, indices: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Select the `count` highest similarities of each row, in descending order, with their indices."""
    if similarities.shape[1] > 4 * count:
        candidates = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
        similarities, indices = (
            np.take_along_axis(similarities, candidates, 1),
            np.take_along_axis(indices, candidates, 1),
        )
    order = np.lexsort((indices, -similarities), axis=1)[:, :count]
    return np.take_along_axis(similarities, order, 1), np.take_along_axis(indices, order, 1)


def _words(rows: np.ndarray) -> np.ndarray:
    """View rows of bytes as 64-bit words if their length is a multiple of 8: shape (n, columns) to (n, words)."""
    return rows.view(np.uint64) if rows.shape[1] % 8 == 0 and rows.flags.c_contiguous else rows


def _hamming_index(rows: np.ndarray) -> Any:
    try:
        import faiss
    except ImportError:
        return None
    index = faiss.IndexBinaryFlat(8 * rows.shape[1])
    index.add(rows)
    return index
