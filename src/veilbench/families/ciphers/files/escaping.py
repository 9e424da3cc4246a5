"""Escaping of bytes outside the alphabet, and the error that reports them.

The alphabet is the 91 bytes 32 to 122. Escaping converts any file to a text over this alphabet:

* The bytes 94 (circumflex) and 96 (grave accent) are escape marks. Each of the other 89 bytes of the alphabet
  represents itself.
* The remaining 167 byte values are numbered 0 to 166 in ascending order. Number k is written as a mark, 94 for k < 89
  and 96 otherwise, followed by the (k mod 89)-th of the 89 bytes, counted from 0.

A mark is never the second character of a pair, so decoding is unambiguous from any position.
"""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.text.alphabet import FIRST, LAST, SIZE

MARKS = (94, 96)
_SINGLES = np.array([b for b in range(FIRST, LAST + 1) if b not in MARKS], np.uint8)
_ESCAPED = np.setdiff1d(np.arange(256), _SINGLES)
_IS_ESCAPED = np.isin(np.arange(256), _ESCAPED)
_DROPPED, _INVALID = 256, 257  # values in `_DECODING` of a mark, and of a byte that cannot follow the mark


def _build_encoding() -> tuple[np.ndarray, np.ndarray]:
    """Return the first and second byte of each byte's encoding, shape (256,) each; the second is 0 if unused."""
    first, second = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
    number = np.arange(len(_ESCAPED))
    first[_ESCAPED] = np.array(MARKS, np.uint8)[number // len(_SINGLES)]
    second[_ESCAPED] = _SINGLES[number % len(_SINGLES)]
    return first, second


_FIRST, _SECOND = _build_encoding()


def _build_decoding() -> np.ndarray:
    """Return the decoding of each byte after no mark, mark 94 and mark 96, shape (3 * 256,), uint16."""
    decoding = np.full((3, 256), _INVALID, np.uint16)
    decoding[0, _SINGLES] = _SINGLES
    decoding[0, MARKS] = _DROPPED
    mark = np.searchsorted(MARKS, _FIRST[_ESCAPED]) + 1
    decoding[mark, _SECOND[_ESCAPED]] = _ESCAPED
    return decoding.ravel()


_DECODING = _build_decoding()


def find_outside(block: np.ndarray) -> int:
    """Return the index of the first byte outside the alphabet in an array of uint8, or -1."""
    shifted = block - np.uint8(FIRST)
    if not len(block) or int(shifted.max()) < SIZE:
        return -1
    return int(np.argmax(shifted >= SIZE))


def outside_error(name: str, invalid: bytes, position: int) -> UserError:
    """Return the error that reports the first byte outside the alphabet.

    The alphabet has no line breaks and no multi-byte characters. So this byte is on the first line, and its index in
    bytes is also its index in characters.

    Args:
        name: name of the file in the message.
        invalid: the byte outside the alphabet and up to three bytes after it.
        position: index of the byte in the file.
    """
    place = f"at index {position} (line 1, column {position + 1})"
    for length in range(1, len(invalid) + 1):
        try:
            what = f"character {invalid[:length].decode('utf8')!r}"
        except UnicodeDecodeError:
            continue
        return UserError(
            f"{name}: {what} {place} is not one of the 91 characters chr(32) to chr(122); --escape keeps it"
        )
    return UserError(f"{name}: byte 0x{invalid[0]:02x} {place} is not valid UTF-8; --escape keeps it")


def escape(block: np.ndarray) -> np.ndarray:
    """Convert any bytes to a text over the alphabet.

    Args:
        block: bytes to encode, shape (length,), uint8.

    Returns:
        The text, uint8, of between length and 2 * length characters.
    """
    positions = np.flatnonzero(np.take(_IS_ESCAPED, block))
    if not len(positions):
        return block
    if len(positions) > len(block) // 16:
        pairs = np.column_stack([np.take(_FIRST, block), np.take(_SECOND, block)]).ravel()
        return np.asarray(pairs[pairs != 0])
    second = positions + np.arange(1, len(positions) + 1)
    text = np.empty(len(block) + len(positions), np.uint8)
    single = np.ones(len(text), np.bool_)
    single[second] = False
    text[single] = np.take(_FIRST, block)
    text[second] = np.take(_SECOND, block[positions])
    return text


class Unescaper:
    """The inverse of `escape`, for a text in consecutive parts, which may be split anywhere."""

    def __init__(self) -> None:
        self._mark = np.zeros(1, np.uint8)

    def __call__(self, text: np.ndarray) -> np.ndarray:
        """Decode the next part of the text, shape (length,), uint8; a mark at its end is kept for the next call.

        Raises:
            ValueError: a mark is followed by a character that cannot follow it.
        """
        mark = (text == MARKS[0]) + np.uint8(2) * (text == MARKS[1])
        if not mark.any() and not self._mark[0]:
            return text
        row = np.concatenate([self._mark, mark[:-1]]).astype(np.uint16)
        self._mark = mark[-1:]
        decoded = np.take(_DECODING, row * np.uint16(256) + text)
        if (decoded == _INVALID).any():
            raise ValueError("a mark is followed by a character that stands for nothing")
        return np.asarray(decoded[decoded != _DROPPED].astype(np.uint8))

    def finish(self) -> None:
        """Check that the text is complete.

        Raises:
            ValueError: the text ends with a mark.
        """
        if self._mark[0]:
            raise ValueError("the text ends on a mark")
