"""Exact nearest-neighbour search among enrolled templates."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.families.templates.schemes.base import IndexScheme, TemplateScheme, unit
from veilbench.families.templates.store.packing import Packing

AT_ONCE = 100_000  # templates per block, to bound the memory


class Gallery:
    """Searches templates without approximation, by the scheme's own similarity.

    Bits are compared by faiss (`IndexBinaryFlat`, the Hamming distance) if it is installed, and otherwise by numpy;
    real numbers by one matrix product; indices by the scheme itself.

    Args:
        scheme: scheme that made the templates.
        packing: storage format of the rows.
        rows: stored templates, shape (n, columns).
    """

    def __init__(self, scheme: TemplateScheme, packing: Packing, rows: np.ndarray) -> None:
        self.scheme, self.packing = scheme, packing
        as_numbers = packing.bits or isinstance(scheme, IndexScheme)
        self.rows = np.ascontiguousarray(rows if as_numbers else unit(rows))
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
            distances, places = self.index.search(np.ascontiguousarray(probes), count)
            return self._shares(distances), np.asarray(places, np.int64)
        likest, places = np.empty((len(probes), 0), np.float32), np.empty((len(probes), 0), np.int64)
        for start in range(0, len(self.rows), AT_ONCE):
            alike = self._alike(probes, self.rows[start : start + AT_ONCE])
            here = np.broadcast_to(np.arange(start, start + alike.shape[1]), alike.shape)
            likest, places = _best(np.hstack([likest, alike]), np.hstack([places, here]), count)
        return likest, places

    def _alike(self, probes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.packing.bits:
            rows = _words(rows)
            return self._shares(
                np.stack([np.bitwise_count(rows ^ probe).sum(1, dtype=np.int32) for probe in _words(probes)])
            )
        if isinstance(self.scheme, IndexScheme):
            return self.scheme.compare_all(probes, rows)
        return np.asarray(unit(probes) @ rows.T)

    def _shares(self, distances: np.ndarray) -> np.ndarray:
        """Convert Hamming distances to shares of equal bits."""
        return np.asarray(1 - distances / self.packing.width, np.float32)


def _best(likest: np.ndarray, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Select the best `count` of each row, best first."""
    if likest.shape[1] > 4 * count:
        some = np.argpartition(-likest, count - 1, axis=1)[:, :count]
        likest, places = np.take_along_axis(likest, some, 1), np.take_along_axis(places, some, 1)
    order = np.lexsort((places, -likest), axis=1)[:, :count]
    return np.take_along_axis(likest, order, 1), np.take_along_axis(places, order, 1)


def _words(rows: np.ndarray) -> np.ndarray:
    """View bytes as 64-bit words if they fill them: shape (n, columns) to (n, words)."""
    return rows.view(np.uint64) if rows.shape[1] % 8 == 0 and rows.flags.c_contiguous else rows


def _hamming_index(rows: np.ndarray) -> Any:
    try:
        import faiss
    except ImportError:
        return None
    index = faiss.IndexBinaryFlat(8 * rows.shape[1])
    index.add(rows)
    return index
