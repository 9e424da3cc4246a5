"""What all attacks on text ciphers share: what they attack, and how they take the texts apart."""

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
    """Disjoint pieces of the target text, at random places.

    Raises:
        UserError: the text is too short for them.
    """
    room = len(target) // length
    if room < count:
        raise UserError(f"{count} pieces of {length} characters need more text than the target's {len(target)}")
    starts = rng.choice(room, count, replace=False) * length
    return [target[start : start + length] for start in starts]


def constant_guess(texts: Texts) -> float:
    """The share of the target that is its commonest character: what an attacker gets for nothing."""
    return float(np.bincount(texts.target).max() / len(texts.target))
