"""Tokenisation: converts mails to rows of word numbers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.families.mail.data.vocabulary import PAD, Vocabulary

LETTER = r"[^\W\d_]"
TOKEN = r"(?:{letter})+(?:['’](?:{letter})+)*|\d+(?:[.,]\d+)*|[!$£€%]"
PLAIN = re.compile(TOKEN.format(letter=LETTER))
LONGEST_WORD = 40  # maximum length in characters; longer runs are encoded attachments rather than words
# Ranges of scripts without spaces: Thai and Lao, Burmese, Khmer; Japanese syllables, also half-width; Chinese.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f" + (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
HAS_UNSPACED, RUNS = re.compile(f"[{UNSPACED}]"), re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")


def split_words(text: str) -> list[str]:
    """Split a mail into words in lower case.

    A word is a run of letters of any script, with combining marks and inner apostrophes; or a number with its points
    and commas; or one of ! $ £ € %, which are typical of spam. Everything else separates words. Runs of more than 40
    characters are dropped.

    Chinese, Japanese, Thai, Lao, Burmese and Khmer do not separate words by spaces. They are split into overlapping
    pairs of characters, as by Lucene's `CJKAnalyzer`: "abc" in such letters becomes "ab" and "bc".
    """
    return drop_long_runs(split_runs(text))


def drop_long_runs(runs: list[str]) -> list[str]:
    """Return the runs that are short enough to be words."""
    return [run for run in runs if len(run) <= LONGEST_WORD]


def split_runs(text: str) -> list[str]:
    """Split a mail as `split_words` does, but keep runs of any length."""
    text = text.lower()
    if text.isascii():
        return PLAIN.findall(text)
    marks = "".join(
        sorted(c for c in set(text) if unicodedata.category(c) in ("Mn", "Mc") and not _is_variation_selector(c))
    )
    if marks:  # compose letters and combining accents, so that both spellings are the same word
        text = unicodedata.normalize("NFC", text)
    runs = _compile_pattern(marks).findall(text)
    if not HAS_UNSPACED.search(text):
        return runs
    return [part for run in runs for piece in _split_pairs(run) for part in piece]


@lru_cache(maxsize=256)
def _compile_pattern(marks: str) -> re.Pattern[str]:
    """Compile a pattern of words whose letters may have these combining marks, which `LETTER` does not match."""
    return re.compile(TOKEN.format(letter=f"{LETTER}[{marks}]*")) if marks else PLAIN


def _is_variation_selector(character: str) -> bool:
    """Return whether a character is a variation selector, which selects the form of an emoji."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _split_pairs(run: str) -> Iterator[list[str]]:
    """Split a run of letters: into pairs of characters for scripts without spaces, otherwise not at all."""
    for piece in RUNS.findall(run):
        characters = re.findall(rf"{LETTER}\W*", piece)  # each with its combining marks
        if not HAS_UNSPACED.match(piece) or len(characters) < 2:
            yield [piece]
        else:
            yield [first + second for first, second in pairwise(characters)]


def read_public_text() -> Iterable[str]:
    """Read public English texts: Python's help texts and the docstrings of its standard library."""
    from veilbench.text import english

    topics = english.load_topics()
    return [*topics, english.load_docstrings(topics)]


class Tokeniser:
    """Splits mails into words, maps the words to numbers, and truncates or pads each mail to one length.

    Args:
        vocabulary: source of the word numbers. `public`: the words of a public text, `word_list` or by default Python's
            documentation; other words are unknown. `hashed`: every word is hashed by BLAKE2b to one of `most_words`
            buckets, which several words may share. `clients`: the words of the clients' training mails; this reveals
            all clients' words, including rare names and numbers, to every client.
        most_words: maximum number of words, the most frequent ones; for `hashed` the number of buckets.
        longest: number of words per mail; longer mails are truncated and shorter ones padded.
        word_list: path of a text file for `public`, from whose words the most frequent are taken; None uses Python's
            documentation.
    """

    def __init__(
        self,
        vocabulary: Literal["public", "hashed", "clients"] = "hashed",
        most_words: Count = 50_633,
        longest: Count = 500,
        word_list: str | None = None,
    ) -> None:
        if word_list is not None and vocabulary != "public":
            raise ValueError(f"word_list={word_list} is for vocabulary=public, not for vocabulary={vocabulary}")
        self.vocabulary, self.most_words, self.longest = vocabulary, most_words, longest
        self.word_list = word_list

    def fit(self, mails: Iterable[Sequence[str]]) -> Vocabulary:
        """Create the vocabulary.

        Args:
            mails: the clients' training mails as lists of words; only used for `vocabulary="clients"`.

        Raises:
            UserError: there are no words, or the word list cannot be read.
        """
        if self.vocabulary == "hashed":
            return Vocabulary([], self.most_words)
        texts = mails if self.vocabulary == "clients" else self._read_public_words()
        counts = Counter(word for text in texts for word in text)
        if not counts:
            raise UserError(f"the vocabulary {self.vocabulary} is empty: there is no word to make it from")
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return Vocabulary(ranked[: self.most_words])

    def _read_public_words(self) -> Iterable[list[str]]:
        if self.word_list is None:
            return map(split_words, read_public_text())
        try:
            return [split_words(Path(self.word_list).read_text(encoding="utf8", errors="replace"))]
        except OSError as error:
            raise UserError(f"word_list={self.word_list} cannot be read: {error.strerror}") from error

    def rows(self, mails: Sequence[Sequence[str]], vocabulary: Vocabulary) -> np.ndarray:
        """Convert mails, as lists of words, to word numbers of shape (n, longest), int32, padded at the end."""
        return encode_mails(mails, vocabulary, self.longest)


def encode_mails(mails: Sequence[Sequence[str]], vocabulary: Vocabulary, longest: int) -> np.ndarray:
    """Convert mails, as lists of words, to word numbers of shape (n, longest), int32, padded at the end."""
    rows = np.full((len(mails), longest), PAD, np.int32)
    for row, mail in zip(rows, mails, strict=True):
        numbers = vocabulary.to_numbers(mail[:longest])
        row[: len(numbers)] = numbers
    return rows
