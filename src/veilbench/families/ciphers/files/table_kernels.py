"""Compiled inner loops of `veilbench.families.ciphers.files.tables`, for codes of at most eight bytes.

Import this module only for large files: importing numba takes longer than encrypting a small file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit  # type: ignore[import-untyped, unused-ignore]

U = np.uint64
"""Type of all indices. For unsigned ones numba omits the check for negative values, which costs more than a look-up."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile one function, keeping its declared type for the type checker."""
    return cast(_Function, njit(cache=True, nogil=True)(function))


@compiled
def encode(text: np.ndarray, members: np.ndarray, words: np.ndarray, lengths: np.ndarray, out: np.ndarray) -> Any:
    """Write the concatenated codes of a text.

    Args:
        text: characters to encrypt, shape (length,), uint8 below 128.
        members: member that encrypts each character, shape (length,), uint8.
        words: codes, shape (M * 128,), uint64: row 128 * m + byte is member m's code of that byte, first byte
            lowest.
        lengths: bytes per code of each member, shape (M,), uint64.
        out: output, uint8, with 8 spare bytes after the last code, which are overwritten too.

    Returns:
        Total number of bytes of all codes.
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
    """Decode the codes of a text; the inverse of `encode`.

    Args:
        codes: overlapping windows of the codes, uint64: element i holds the 8 bytes from byte i, first byte lowest.
        members: member that encrypted each character, shape (length,), uint8.
        words: codes, shape (M * 128,), uint64: row 128 * m + byte is member m's code of that byte.
        lengths: bytes per code of each member, shape (M,), uint64.
        masks: bits of a word that belong to a member's code, shape (M,), uint64.
        multipliers: multiplier of each member's hash function, shape (M,), uint64.
        slots: hash tables of the members, concatenated, shape (M * 2**slot_bits,), uint8: for each hash, the byte whose
            code has this hash.
        slot_bits: length of a hash in bits. The hash is the highest bits of the product of code and multiplier.
        out: output, shape (length,), uint8.

    Returns:
        0 if every code is in its member's code book, otherwise another number.
    """
    place, mismatch = U(0), U(0)
    for i in range(U(len(members))):
        member = U(members[i])
        word = codes[place] & masks[member]
        byte = U(slots[(member << slot_bits) + ((word * multipliers[member]) >> (U(64) - slot_bits))])
        mismatch |= words[(member << U(7)) + byte] ^ word
        out[i] = byte
        place += lengths[member]
    return mismatch


@compiled
def count_bytes(members: np.ndarray, lengths: np.ndarray) -> Any:
    """Return the total number of bytes of a text's codes.

    Args:
        members: member that encrypts each character, shape (length,), uint8.
        lengths: bytes per code of each member, shape (M,), uint64.
    """
    total = U(0)
    for i in range(U(len(members))):
        total += lengths[U(members[i])]
    return total
