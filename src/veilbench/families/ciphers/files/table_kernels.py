"""Compiled inner loops of `veilbench.families.ciphers.files.tables`, for codes of at most eight bytes.

Import this only where much is to be looked up: importing numba takes longer than encrypting a small file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit  # type: ignore[import-untyped, unused-ignore]

U = np.uint64
"""Every index is unsigned: numba then leaves out the test for negative ones, dearer than the look-up."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile one function, keeping its declared type for the type checker."""
    return cast(_Function, njit(cache=True, nogil=True)(function))


@compiled
def encode(text: np.ndarray, members: np.ndarray, words: np.ndarray, lengths: np.ndarray, out: np.ndarray) -> Any:
    """Write the codes of a text one behind the other.

    Args:
        text: shape (length,), uint8 below 128.
        members: shape (length,), uint8: who encrypts each character.
        words: shape (M * 128,), uint64: row 128 * m + byte is member m's code of that byte, first byte
        lowest.
        lengths: shape (M,), uint64: bytes of a member's codes.
        out: uint8, with 8 bytes to spare behind the last code, which are overwritten too.

    Returns:
        Bytes of all codes together.
    """
    place = U(0)
    for i in range(U(len(text))):
        member = U(members[i])
        word = words[(member << U(7)) + U(text[i])]
        for byte in range(U(8)):
            out[place + byte] = np.uint8(word >> (U(8) * byte))
        place += lengths[member]
    return place


@compiled
def decode(
    codes: np.ndarray,
    members: np.ndarray,
    words: np.ndarray,
    lengths: np.ndarray,
    masks: np.ndarray,
    multipliers: np.ndarray,
    slots: np.ndarray,
    slot_bits: np.uint64,
    out: np.ndarray,
) -> Any:
    """The inverse of `encode`.

    Args:
        codes: uint64, element i holds the 8 bytes from byte i on, first byte lowest.
        members: shape (length,), uint8.
        words: as in `encode`.
        lengths: as in `encode`.
        masks: shape (M,), uint64: the bits of a word that belong to a member's code.
        multipliers: shape (M,), uint64: of a member's hash.
        slots: shape (M * 2**slot_bits,), uint8: the byte whose code has a hash, member by member.
        slot_bits: how many of the highest bits of a product are its hash.
        out: shape (length,), uint8: the text.

    Returns:
        0 if every code is in its member's book.
    """
    place, strange = U(0), U(0)
    for i in range(U(len(members))):
        member = U(members[i])
        word = codes[place] & masks[member]
        byte = U(slots[(member << slot_bits) + ((word * multipliers[member]) >> (U(64) - slot_bits))])
        strange |= words[(member << U(7)) + byte] ^ word
        out[i] = byte
        place += lengths[member]
    return strange


@compiled
def size(members: np.ndarray, lengths: np.ndarray) -> Any:
    """Bytes that the codes of these members, shape (length,), uint8, take; lengths as in `encode`."""
    total = U(0)
    for i in range(U(len(members))):
        total += lengths[U(members[i])]
    return total
