"""Templates as a store keeps them: rows of bytes for bits, rows of numbers for the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.templates.schemes.base import TemplateScheme


@dataclass(frozen=True)
class Packing:
    """What the templates of a scheme look like.

    Attributes:
        dtype: of the numbers as they are stored; `uint8` for bits, eight in each.
        width: numbers of a template, or bits.
        bits: whether they are bits.
    """

    dtype: str
    width: int
    bits: bool

    @classmethod
    def of(cls, scheme: TemplateScheme, templates: np.ndarray) -> Packing:
        """The packing of these templates, shape (n, ...)."""
        return cls("uint8" if scheme.binary else templates.dtype.name, int(np.prod(templates.shape[1:])), scheme.binary)

    @property
    def columns(self) -> int:
        """Numbers in a stored row."""
        return -(-self.width // 8) if self.bits else self.width

    @property
    def row_bytes(self) -> int:
        """Bytes of a stored template."""
        return self.columns * np.dtype(self.dtype).itemsize

    def packed(self, templates: np.ndarray) -> np.ndarray:
        """Shape (n, ...) to (n, columns)."""
        rows = templates.reshape(len(templates), self.width)
        return np.packbits(rows.astype(np.uint8), axis=1) if self.bits else np.ascontiguousarray(rows)

    def unpacked(self, rows: np.ndarray) -> np.ndarray:
        """Shape (n, columns) to (n, width)."""
        return np.unpackbits(rows, axis=1, count=self.width) if self.bits else rows
