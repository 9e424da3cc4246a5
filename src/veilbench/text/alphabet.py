"""The 91 characters chr(32) to chr(122), as symbols 0 to 90."""

from __future__ import annotations

import re

import numpy as np

from veilbench.bench.errors import UserError

FIRST, SIZE = 32, 91
LAST = FIRST + SIZE - 1


def encode(text: str) -> np.ndarray:
    """Convert a text to symbols, shape (length,), uint8 in 0 to 90.

    Raises:
        UserError: a character is outside the alphabet; the message names the first one and its position.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    outside = np.flatnonzero((points < FIRST) | (points > LAST))
    if outside.size:
        place = int(outside[0])
        raise UserError(f"character {text[place]!r} at position {place} is outside the alphabet chr(32) to chr(122)")
    return (points - FIRST).astype(np.uint8)


def decode(symbols: np.ndarray) -> str:
    """Convert symbols, shape (length,), values 0 to 90, back to a text."""
    return (symbols.astype(np.uint8) + FIRST).tobytes().decode("ascii")


def normalise(raw: str) -> str:
    """Restrict a text to the alphabet: runs of whitespace become one space, other characters are dropped."""
    return re.sub(f"[^{chr(FIRST)}-{re.escape(chr(LAST))}]", "", re.sub(r"\s+", " ", raw)).strip()
