"""Base class and helpers of all attacks on text ciphers."""

from __future__ import annotations

import numpy as np

from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher


class CipherAttack(Attack[Cipher, Texts]):
    """Base class of attacks on text ciphers; they recover messages drawn from `Texts.target`."""

    data_kind = Texts
    target_kind = Cipher


def draw_pieces(target: np.ndarray, length: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint random pieces of the target text, each of shape (length,).

    Args:
        target: text to draw from, shape (n,).
        length: number of characters per piece.
        count: number of pieces to draw.
        rng: generator that selects the pieces.

    Raises:
        UserError: the text is too short for `count` pieces of `length` characters.
    """
    available = len(target) // length
    if available < count:
        raise UserError(f"{count} pieces of {length} characters need more text than the target's {len(target)}")
    starts = rng.choice(available, count, replace=False) * length
    return [target[start : start + length] for start in starts]


def score_constant_guess(texts: Texts) -> float:
    """Return the accuracy of always guessing the target's most frequent character: the success by chance."""
    return float(np.bincount(texts.target).max() / len(texts.target))
