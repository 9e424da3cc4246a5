"""An open-addressing hash table of n-grams with vectorised construction and lookup."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Keys = NDArray[np.uint64]
Integers = NDArray[np.int64]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplier of Fibonacci hashing (Knuth 1998, volume 3, section 6.4); the compiled search repeats this constant."""


def _home(keys: Keys, slots: int) -> Integers:
    shift = np.uint64(64 - (slots.bit_length() - 1))
    home: Integers = ((keys * _MULTIPLIER) >> shift).astype(np.int64)
    return home


def hash_table(entries: list[tuple[Keys, Reals]]) -> tuple[Keys, Floats]:
    """Store all n-grams in a hash table with linear probing and a load factor of at most one half.

    Args:
        entries: for each n-gram order the keys, shape (n,), positive, and their values, shape (n, 2).

    Returns:
        The keys by slot, 0 for an empty one, shape (2**b,), and the values by slot, shape (2**b, 2).
    """
    names = np.concatenate([keys for keys, _ in entries]) if entries else np.zeros(0, dtype=np.uint64)
    slots = 1 << max(4, (2 * len(names)).bit_length())
    keys, values = np.zeros(slots, dtype=np.uint64), np.zeros((slots, 2), dtype=np.float32)
    place, pending = _home(names, slots), np.arange(len(names))
    while len(pending):
        here = place[pending]
        empty = keys[here] == 0
        keys[here[empty]] = names[pending[empty]]
        place[pending] = (here + 1) & (slots - 1)
        settled = keys[here] == names[pending]
        place[pending[settled]] = here[settled]
        pending = pending[~settled]
    if entries:
        values[place] = np.concatenate([pairs for _, pairs in entries])
    return keys, values


def find_all(keys: Keys, wanted: Keys) -> tuple[Integers, NDArray[np.bool_]]:
    """Look up many keys; return the slot of each, and whether the key is stored there."""
    slots = _home(wanted, len(keys))
    pending = np.arange(len(wanted))
    while len(pending):
        here = keys[slots[pending]]
        pending = pending[(here != wanted[pending]) & (here != 0)]
        slots[pending] = (slots[pending] + 1) & (len(keys) - 1)
    return slots, keys[slots] == wanted
