"""Bytes outside the alphabet: reported as errors, or escaped as two characters of the alphabet.

The alphabet is the 91 bytes 32 to 122. Escaping turns any file into a text over it:

* the bytes 94 (circumflex) and 96 (grave accent) are escape marks; each of the other 89 represents itself;
* the 167 byte values that are not among these 89 are numbered 0 to 166 in ascending order. Number k is written
  as a mark, 94 for k < 89 and 96 otherwise, followed by the (k mod 89)-th of the 89 bytes, counted from 0.

A mark is never the second character of a pair, so decoding is unambiguous from any position.
"""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.text.alphabet import FIRST, LAST, SIZE

MARKS = (94, 96)
_SINGLES = np.array([b for b in range(FIRST, LAST + 1) if b not in MARKS], np.uint8)
_STRANGERS = np.setdiff1d(np.arange(256), _SINGLES)
_STRANGE = np.isin(np.arange(256), _STRANGERS)
_DROPPED, _WRONG = 256, 257


def _written() -> tuple[np.ndarray, np.ndarray]:
    """Return the first and second byte of each byte's encoding, shape (256,) each; the second is 0 if unused."""
    first, second = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
    number = np.arange(len(_STRANGERS))
    first[_STRANGERS] = np.array(MARKS, np.uint8)[number // len(_SINGLES)]
    second[_STRANGERS] = _SINGLES[number % len(_SINGLES)]
    return first, second


_FIRST, _SECOND = _written()


def _read() -> np.ndarray:
    """Return the decoding of each byte after no mark, mark 94 and mark 96, shape (3 * 256,), uint16."""
    said = np.full((3, 256), _WRONG, np.uint16)
    said[0, _SINGLES] = _SINGLES
    said[0, MARKS] = _DROPPED
    mark = np.searchsorted(MARKS, _FIRST[_STRANGERS]) + 1
    said[mark, _SECOND[_STRANGERS]] = _STRANGERS
    return said.ravel()


_SAID = _read()


def first_outside(block: np.ndarray) -> int:
    """Return the index of the first byte outside the alphabet in an array of uint8, or -1."""
    shifted = block - np.uint8(FIRST)
    if not len(block) or int(shifted.max()) < SIZE:
        return -1
    return int(np.argmax(shifted >= SIZE))


def outside_error(name: str, strange: bytes, position: int) -> UserError:
    """Return the error for the first byte outside the alphabet.

    All bytes before it are in the alphabet, which has no line breaks and no multi-byte characters, so it is on the
    first line, and its byte index is also its character index.

    Args:
        name: name of the file in the message.
        strange: this byte and up to three bytes after it.
        position: number of bytes before it.
    """
    place = f"at index {position} (line 1, column {position + 1})"
    for length in range(1, len(strange) + 1):
        try:
            what = f"character {strange[:length].decode('utf8')!r}"
        except UnicodeDecodeError:
            continue
        return UserError(
            f"{name}: {what} {place} is not one of the 91 characters chr(32) to chr(122); --escape keeps it"
        )
    return UserError(f"{name}: byte 0x{strange[0]:02x} {place} is not valid UTF-8; --escape keeps it")


def escape(block: np.ndarray) -> np.ndarray:
    """Encode any bytes in the alphabet.

    Args:
        block: bytes to encode, shape (length,), uint8.

    Returns:
        The text, uint8, of between length and 2 * length characters.
    """
    strange = np.take(_STRANGE, block)
    where = np.flatnonzero(strange)
    if not len(where):
        return block
    if len(where) > len(block) // 16:
        pairs = np.column_stack([np.take(_FIRST, block), np.take(_SECOND, block)]).ravel()
        return np.asarray(pairs[pairs != 0])
    second = where + np.arange(1, len(where) + 1)
    text = np.empty(len(block) + len(where), np.uint8)
    single = np.ones(len(text), np.bool_)
    single[second] = False
    text[single] = np.take(_FIRST, block)
    text[second] = np.take(_SECOND, block[where])
    return text


class Unescaper:
    """The inverse of `escape`, applied to consecutive parts of a text that may be split anywhere."""

    def __init__(self) -> None:
        self._mark = np.zeros(1, np.uint8)

    def __call__(self, text: np.ndarray) -> np.ndarray:
        """Decode the next part of the text, shape (length,), uint8, as far as it is complete.

        Raises:
            ValueError: a mark is followed by a character that cannot follow it.
        """
        mark = (text == MARKS[0]) + np.uint8(2) * (text == MARKS[1])
        if not mark.any() and not self._mark[0]:
            return text
        row = np.concatenate([self._mark, mark[:-1]]).astype(np.uint16)
        self._mark = mark[-1:]
        said = np.take(_SAID, row * np.uint16(256) + text)
        if (said == _WRONG).any():
            raise ValueError("a mark is followed by a character that stands for nothing")
        return np.asarray(said[said != _DROPPED].astype(np.uint8))

    def finish(self) -> None:
        """Check that the text is complete.

        Raises:
            ValueError: the text ends with a mark.
        """
        if self._mark[0]:
            raise ValueError("the text ends on a mark")
