"""The 91 characters chr(32) to chr(122), as symbols 0 to 90."""

from __future__ import annotations

import re

import numpy as np

from veilbench.bench.errors import UserError

FIRST, SIZE = 32, 91
LAST = FIRST + SIZE - 1


def symbols(text: str) -> np.ndarray:
    """Symbols of a text, shape (length,), uint8 in 0 to 90.

    Raises:
        UserError: a character is outside the alphabet; names the first one and its place.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    outside = np.flatnonzero((points < FIRST) | (points > LAST))
    if outside.size:
        place = int(outside[0])
        raise UserError(f"character {text[place]!r} at position {place} is outside the alphabet chr(32) to chr(122)")
    return (points - FIRST).astype(np.uint8)


def text(symbols: np.ndarray) -> str:
    """The inverse of `symbols`; shape (length,), values 0 to 90."""
    return (symbols.astype(np.uint8) + FIRST).tobytes().decode("ascii")


def normalise(raw: str) -> str:
    """English as this alphabet can hold it: white space becomes one space, other strangers are dropped."""
    return re.sub(f"[^{chr(FIRST)}-{re.escape(chr(LAST))}]", "", re.sub(r"\s+", " ", raw)).strip()
