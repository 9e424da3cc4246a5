"""Lookup tables of an ensemble of code books, for encrypting and decrypting whole texts.

Encryption and decryption take one look-up per character. For decryption, each member has a hash table with 2048 slots.
Its hash function multiplies each 8-byte word of a code by a constant and sums the products (multiply-shift hashing,
Dietzfelbinger et al. 1997). When the model is loaded, constants are searched for which the 91 codes have different
slots. To detect unknown codes, the decrypted character is encrypted again and compared with the code.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.schemes.codebook import CodebookCipher
from veilbench.text.alphabet import FIRST, LAST, SIZE

SLOT_BITS = 11
_SHIFT = np.uint64(64 - SLOT_BITS)
_ROW = 128  # bytes 0 to 127, so that the bytes of a text are used as indices


class UnknownCodeError(ValueError):
    """A code that is not in its member's code book."""


def count_code_bytes(cipher: CodebookCipher) -> np.ndarray:
    """Return the number of bytes per code of each member, shape (M,), int64."""
    return np.asarray(-(-cipher.bits.astype(np.int64) // 8))


def check_exact(cipher: CodebookCipher, name: str) -> None:
    """Check that code books can be decrypted without loss.

    Raises:
        UserError: a member does not decrypt all of its codes correctly or has one code for two characters, or
            there are more members than fit into an id of one byte.
    """
    if cipher.members > 256:
        raise UserError(f"{name} has {cipher.members} members; files take at most 256")
    lengths = count_code_bytes(cipher)
    for member, (codes, decoded) in enumerate(zip(cipher.codes, cipher.decoded, strict=True)):
        wrong = np.flatnonzero(decoded != np.arange(SIZE))
        if wrong.size:
            character, symbol = chr(FIRST + int(wrong[0])), int(decoded[wrong[0]])
            read_as = repr(chr(FIRST + symbol)) if symbol < SIZE else f"symbol {symbol}"
            raise UserError(
                f"{name} does not decrypt what it encrypts: member {member} gets {wrong.size} of {SIZE} "
                f"characters wrong, the first is {character!r} read as {read_as}; files need all of them right"
            )
        if len(np.unique(codes[:, : lengths[member]], axis=0)) < SIZE:
            raise UserError(f"{name} has one code for two characters (member {member}); files need one for each")


class CodeTables:
    """Code books in a memory layout for fast lookup.

    Args:
        cipher: code books that `check_exact` accepts.

    Attributes:
        lengths: bytes per code of each member, shape (M,), int64.
        slack: number of bytes that `decode` may read past the end of the codes.
    """

    def __init__(self, cipher: CodebookCipher) -> None:
        members = cipher.members
        self.lengths = count_code_bytes(cipher)
        self._depth = -(-int(self.lengths.max()) // 8)  # 8-byte words of the longest code
        self.slack = 8 * self._depth
        self._used = np.arange(self.slack) < self.lengths[:, None]  # which bytes of a row belong to the code
        rows = np.zeros((members, _ROW, self.slack), np.uint8)
        width = min(self.slack, cipher.codes.shape[2])
        rows[:, FIRST : LAST + 1, :width] = cipher.codes[:, :, :width] * self._used[:, None, :width]
        self._rows = rows.reshape(members * _ROW, -1)
        self._words = self._rows.view("<u8")
        self._multipliers = np.zeros((members, self._depth), np.uint64)
        self._slots = np.full((members, 1 << SLOT_BITS), FIRST, np.uint8)
        self._kernels: ModuleType | None = None
        rng = np.random.default_rng(0)
        for member in range(members):
            self._find_multiplier(member, rng)

    def _find_multiplier(self, member: int, rng: np.random.Generator) -> None:
        """Set a multiplier without collisions by random search; about one in eight has none."""
        words = self._words[member * _ROW + FIRST : member * _ROW + LAST + 1]
        while True:
            multiplier = rng.integers(0, 1 << 64, self._depth, np.uint64) | np.uint64(1)
            slots = (words * multiplier).sum(axis=1, dtype=np.uint64) >> _SHIFT
            if len(np.unique(slots)) == SIZE:
                self._multipliers[member], self._slots[member, slots] = multiplier, np.arange(FIRST, LAST + 1)
                return

    def compile(self) -> None:
        """Switch to the compiled loops; from a few megabytes of text, they save more time than their import takes.

        NumPy is still used for codes of more than 8 bytes, and if numba has no folder for its cache.
        """
        if self._depth > 1:
            return
        try:
            from veilbench.families.ciphers.files import table_kernels
        except RuntimeError:
            return
        self._kernels = table_kernels
        self._masks = (self._used * np.uint8(255)).view("<u8").ravel()

    def encode(self, text: np.ndarray, members: np.ndarray) -> np.ndarray:
        """Encrypt a text; return its concatenated codes, uint8.

        Args:
            text: characters in the alphabet, shape (length,), uint8.
            members: member that encrypts each character, shape (length,), uint8.
        """
        if self._kernels:
            out = np.empty(len(text) * int(self.lengths.max()) + 8, np.uint8)
            sizes = self.lengths.astype(np.uint64)
            return out[: int(self._kernels.encode(text, members, self._words.ravel(), sizes, out))]
        rows = self._rows[members.astype(np.intp) * _ROW + text]
        return np.asarray(rows[self._used[members]])

    def count_bytes(self, members: np.ndarray) -> int:
        """Return the total number of bytes of the codes of a text.

        Args:
            members: member that encrypts each character, shape (length,), uint8.
        """
        if self._kernels:
            return int(self._kernels.count_bytes(members, self.lengths.astype(np.uint64)))
        return int(np.bincount(members, minlength=len(self.lengths)) @ self.lengths)

    def decode(self, codes: np.ndarray, members: np.ndarray) -> np.ndarray:
        """Decrypt concatenated codes; return the text, shape (length,), uint8.

        Args:
            codes: the codes, uint8, followed by at least `slack` bytes of any value.
            members: member that encrypted each character, shape (length,), uint8.

        Raises:
            UnknownCodeError: a code is not in its member's code book.
        """
        if self._kernels:
            text = np.empty(len(members), np.uint8)
            windows = np.ndarray((len(codes) - 7,), "<u8", codes, strides=(1,))
            books = (self._words.ravel(), self.lengths.astype(np.uint64), self._masks)
            hashing = (self._multipliers.ravel(), self._slots.ravel(), np.uint64(SLOT_BITS))
            unknown = bool(self._kernels.decode(windows, members, *books, *hashing, text))
        else:
            ends = np.cumsum(self.lengths[members])
            starts = ends - self.lengths[members]
            rows = np.lib.stride_tricks.sliding_window_view(codes, self.slack)[starts] * self._used[members]
            words = rows.view("<u8")
            slots = (words * self._multipliers[members]).sum(axis=1, dtype=np.uint64) >> _SHIFT
            text = self._slots[members, slots]
            unknown = bool((self._words[members.astype(np.intp) * _ROW + text] != words).any())
        if unknown:
            raise UnknownCodeError("the text holds a code that its member never makes")
        return text
