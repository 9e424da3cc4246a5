"""Base class and helpers of all attacks on text ciphers."""

from __future__ import annotations

import numpy as np

from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher


class CipherAttack(Attack[Cipher, Texts]):
    """An attack on a text cipher; the secret messages come from `data.target`."""

    data_kind = Texts
    target_kind = Cipher


def pieces(target: np.ndarray, length: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint random pieces of the target text.

    Raises:
        UserError: the text is too short for `count` pieces of `length` characters.
    """
    room = len(target) // length
    if room < count:
        raise UserError(f"{count} pieces of {length} characters need more text than the target's {len(target)}")
    starts = rng.choice(room, count, replace=False) * length
    return [target[start : start + length] for start in starts]


def constant_guess(texts: Texts) -> float:
    """Return the share of the target's most frequent character: the success of a constant guess."""
    return float(np.bincount(texts.target).max() / len(texts.target))
