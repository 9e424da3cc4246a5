"""Noise in place of codes and templates, for negative controls: a keyed hash of the data."""

from __future__ import annotations

from hashlib import sha256, shake_256

import numpy as np
from scipy.special import ndtri


def hash_to_noise(key: bytes, rows: np.ndarray, count: int) -> np.ndarray:
    """Return standard normal numbers for each row, which depend on the key and on all bits of the row.

    A row is hashed by SHA-256 (FIPS 180-4), which is several times as fast on long rows as SHAKE256 (FIPS 202), and
    the digest is extended by SHAKE256. The uniform bits are mapped by the inverse of the normal distribution function.

    Args:
        key: key of the hash.
        rows: rows, shape (n, ...).
        count: numbers for each row.

    Returns:
        Noise, shape (n, count), float32; equal rows have equal noise.
    """
    digests = b"".join(shake_256(key + sha256(row).digest()).digest(4 * count) for row in np.ascontiguousarray(rows))
    uniform = (np.frombuffer(digests, np.uint32).reshape(len(rows), count) + 0.5) / 2**32
    return np.asarray(ndtri(uniform), np.float32)
