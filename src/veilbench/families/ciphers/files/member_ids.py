"""Public ids of the ensemble members that encrypted each chunk of a text, packed into bytes.

With M members a byte holds p ids, where p is the largest number with M**p <= 256: 8 ids for 2 members, 5 for 3, 4 for
4, 3 for 5 or 6, 2 for 7 to 16, and 1 for up to 256. The byte's value is id_0 + id_1 * M + ... + id_(p-1) * M**(p-1),
where id_0 is the first in the text. Unused ids in the last byte of a frame are 0. A single member needs no ids.
"""

from __future__ import annotations

import os

import numpy as np


class MemberIds:
    """Draws, packs and unpacks ids, and tracks the text's chunks across frames.

    Chunks are counted from the start of the text and may span frames. A frame stores the ids of the chunks that start
    in it.

    Args:
        members: number of ensemble members, 1 to 256.
        chunk: number of consecutive characters that one member encrypts.
    """

    def __init__(self, members: int, chunk: int) -> None:
        self._members, self._chunk = members, chunk
        self._per_byte = max(p for p in range(1, 9) if members**p <= 256)
        self._values = members**self._per_byte
        values = np.arange(256)[:, None] // members ** np.arange(self._per_byte)
        self._digits = (values % members).astype(np.uint8)
        self._position, self._last = 0, np.zeros(1, np.uint8)  # characters so far; member of the current chunk

    def count_started_chunks(self, length: int) -> int:
        """Return the number of chunks that start within the next `length` characters."""
        return -(-(self._position + length) // self._chunk) + -self._position // self._chunk

    def count_bytes(self, length: int) -> int:
        """Return the number of bytes that the ids of the next `length` characters take."""
        return -(-self.count_started_chunks(length) // self._per_byte) if self._members > 1 else 0

    def draw(self, length: int) -> np.ndarray:
        """Draw packed ids for the next `length` characters, uint8, from the operating system's randomness."""
        size = self.count_bytes(length)
        limit = 256 - 256 % self._values  # values from here on are rejected, so that all ids are equally likely
        packed = np.frombuffer(os.urandom(size), np.uint8)
        if limit < 256:
            packed = packed[packed < limit]
            while len(packed) < size:
                more = np.frombuffer(os.urandom(2 * (size - len(packed)) + 16), np.uint8)
                packed = np.concatenate([packed, more[more < limit]])[:size]
        if self._values < 256:
            packed = packed % np.uint8(self._values)
        left = self.count_started_chunks(length) % self._per_byte
        if size and left:
            packed = packed.copy()
            packed[-1] %= self._members**left
        return packed

    def unpack(self, packed: np.ndarray, length: int) -> np.ndarray:
        """Return the member of each of the next `length` characters, shape (length,), uint8, and advance past them.

        Raises:
            ValueError: a byte is too large to hold ids.
        """
        if self._members == 1:
            return np.zeros(length, np.uint8)
        if self._values < 256 and len(packed) and int(packed.max()) >= self._values:
            raise ValueError("a byte of member ids is out of range")
        ids = np.take(self._digits, packed, axis=0).ravel()[: self.count_started_chunks(length)]
        if self._chunk == 1:
            return ids
        in_chunk = self._position % self._chunk  # characters of the current chunk in earlier frames
        if in_chunk:
            ids = np.concatenate([self._last, ids])
        counts = np.full(len(ids), self._chunk)
        counts[0] -= in_chunk
        counts[-1] += length - counts.sum()
        self._position, self._last = self._position + length, ids[-1:]
        return np.repeat(ids, counts)
