"""Storage format of templates: packed bytes for binary templates, plain numbers for all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.templates.schemes.base import TemplateScheme


@dataclass(frozen=True)
class Packing:
    """Storage format of a scheme's templates.

    Attributes:
        dtype: type of the stored numbers; `uint8` for binary templates, with eight bits in each.
        width: length of a template, in numbers or bits.
        bits: whether templates consist of bits.
    """

    dtype: str
    width: int
    bits: bool

    @classmethod
    def of(cls, scheme: TemplateScheme, templates: np.ndarray) -> Packing:
        """Return the format for templates of shape (n, ...)."""
        return cls("uint8" if scheme.binary else templates.dtype.name, int(np.prod(templates.shape[1:])), scheme.binary)

    @property
    def columns(self) -> int:
        """Return the number of columns of a stored row."""
        return -(-self.width // 8) if self.bits else self.width

    @property
    def row_bytes(self) -> int:
        """Return the size of a stored template, in bytes."""
        return self.columns * np.dtype(self.dtype).itemsize

    def pack(self, templates: np.ndarray) -> np.ndarray:
        """Convert templates to storage format, shape (n, ...) to (n, columns)."""
        rows = templates.reshape(len(templates), self.width)
        return np.packbits(rows.astype(np.uint8), axis=1) if self.bits else np.ascontiguousarray(rows)

    def unpack(self, rows: np.ndarray) -> np.ndarray:
        """Convert stored rows to templates, shape (n, columns) to (n, width)."""
        return np.unpackbits(rows, axis=1, count=self.width) if self.bits else rows
