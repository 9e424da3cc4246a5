"""Mapping from words to numbers: 0 is padding, 1 an unknown word, and words start at 2."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import MOST

PAD, UNKNOWN, FIRST_WORD = 0, 1, 2


def hash_word(word: str, buckets: int) -> int:
    """Hash a word to its number by BLAKE2b; the result is the same on every machine and in every process.

    Args:
        word: word as the tokeniser returns it.
        buckets: number of buckets that words are hashed to.
    """
    digest = hashlib.blake2b(word.encode("utf8", "surrogatepass"), digest_size=8).digest()
    return FIRST_WORD + int.from_bytes(digest, "big") % buckets


@dataclass(frozen=True)
class Vocabulary:
    """A mapping from words to numbers, by a list of words or by hashing words to buckets.

    Attributes:
        words: the words in the order of their numbers; empty if words are hashed.
        buckets: number of buckets; 0 if there is a list of words.
    """

    words: list[str]
    buckets: int = 0
    _numbers: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if bool(self.words) == bool(self.buckets):
            raise ValueError(f"a vocabulary has words or buckets, got {len(self.words)} words, {self.buckets} buckets")
        self._numbers.update({word: number for number, word in enumerate(self.words, FIRST_WORD)})

    @property
    def size(self) -> int:
        """Number of distinct numbers, including padding and the unknown word."""
        return FIRST_WORD + (self.buckets or len(self.words))

    def to_numbers(self, words: Sequence[str]) -> list[int]:
        """Return the number of each word; `UNKNOWN` for words that are not in the list."""
        if not self.buckets:
            return [self._numbers.get(word, UNKNOWN) for word in words]
        for word in words:
            if word not in self._numbers:
                self._numbers[word] = hash_word(word, self.buckets)
        return [self._numbers[word] for word in words]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the vocabulary as arrays: the words as UTF-8, one per line, and the number of buckets."""
        return {
            "vocabulary_words": pack_words(self.words),
            "vocabulary_buckets": np.array([self.buckets], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Vocabulary:
        """Create a vocabulary from arrays as returned by `arrays`.

        Raises:
            ValueError: an array is missing or invalid.
        """
        words = require_array(arrays, "vocabulary_words", np.uint8, (None,))
        buckets = require_array(arrays, "vocabulary_buckets", np.int64, (1,), low=0, high=MOST)
        try:
            return cls(unpack_words(words), int(buckets[0]))
        except UnicodeDecodeError as error:
            raise ValueError(f"vocabulary_words holds bytes that are no text at {error.start}") from error


def pack_words(words: Sequence[str]) -> np.ndarray:
    """Encode words without line breaks as UTF-8, one per line, shape (bytes,), uint8."""
    return np.frombuffer("".join(f"{word}\n" for word in words).encode("utf8", "surrogatepass"), np.uint8)


def unpack_words(array: np.ndarray) -> list[str]:
    """Decode an array made by `pack_words`.

    Raises:
        ValueError: the bytes are not UTF-8, or do not end with a line break.
    """
    *words, rest = array.tobytes().decode("utf8", "surrogatepass").split("\n")
    if rest:
        raise ValueError(f"words end with {rest[-20:]!r}, a line break is needed")
    return words
