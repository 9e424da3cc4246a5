"""An open-addressing hash table of n-grams with vectorised construction and lookup."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Keys = NDArray[np.uint64]
Integers = NDArray[np.int64]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplier of Fibonacci hashing (Knuth 1998, volume 3, section 6.4); `substitution_kernels` repeats this value."""
_TAG_BITS = 7
"""Bits of the hash in the tag of a slot; so does this value."""


def _hash(keys: Keys, slots: int) -> Integers:
    """Return the slot at which the search for each key starts; `slots` is a power of two."""
    shift = np.uint64(64 - (slots.bit_length() - 1))
    home: Integers = ((keys * _MULTIPLIER) >> shift).astype(np.int64)
    return home


def build_hash_table(entries: list[tuple[Keys, Reals]]) -> tuple[Keys, Floats]:
    """Store all n-grams in a hash table with linear probing and a load factor of at most one half.

    Args:
        entries: for each n-gram order the keys, shape (n,), positive, and their values, shape (n, 2).

    Returns:
        The key in each slot, shape (2**b,), 0 if the slot is empty, and the values in each slot, shape (2**b, 2).
    """
    inserted = np.concatenate([keys for keys, _ in entries]) if entries else np.zeros(0, dtype=np.uint64)
    slots = 1 << max(4, (2 * len(inserted)).bit_length())
    keys, values = np.zeros(slots, dtype=np.uint64), np.zeros((slots, 2), dtype=np.float32)
    slot_of, pending = _hash(inserted, slots), np.arange(len(inserted))
    while len(pending):
        tried = slot_of[pending]
        empty = keys[tried] == 0
        keys[tried[empty]] = inserted[pending[empty]]
        slot_of[pending] = (tried + 1) & (slots - 1)
        settled = keys[tried] == inserted[pending]
        slot_of[pending[settled]] = tried[settled]
        pending = pending[~settled]
    if entries:
        values[slot_of] = np.concatenate([pairs for _, pairs in entries])
    return keys, values


def tag_slots(keys: Keys) -> NDArray[np.uint8]:
    """Return a byte for each slot: 0 if it is empty, otherwise 128 plus the seven bits of the hash after the slot's.

    Args:
        keys: keys of a table made by `build_hash_table`.

    Returns:
        The tags, shape (2**b,).
    """
    after = np.uint64(64 - (len(keys).bit_length() - 1) - _TAG_BITS)
    tags: NDArray[np.uint8] = ((keys * _MULTIPLIER) >> after).astype(np.uint8) | np.uint8(1 << _TAG_BITS)
    return np.where(keys == 0, np.uint8(0), tags)


def look_up(keys: Keys, wanted: Keys) -> tuple[Integers, NDArray[np.bool_]]:
    """Look up many keys at once.

    Args:
        keys: keys of a table made by `build_hash_table`.
        wanted: keys to look up, shape (n,).

    Returns:
        The slot of each key, shape (n,), and whether the key is stored there; otherwise the slot is empty.
    """
    slots = _hash(wanted, len(keys))
    pending = np.arange(len(wanted))
    while len(pending):
        stored = keys[slots[pending]]
        pending = pending[(stored != wanted[pending]) & (stored != 0)]
        slots[pending] = (slots[pending] + 1) & (len(keys) - 1)
    return slots, keys[slots] == wanted
