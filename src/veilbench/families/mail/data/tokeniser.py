"""Mails to rows of numbers."""

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
LONGEST_WORD = 40  # characters; longer ones are encoded attachments rather than words
# Thai and Lao, Burmese, Khmer; Japanese syllables, their half-width forms; Chinese characters.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f" + (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
HAS_UNSPACED, RUNS = re.compile(f"[{UNSPACED}]"), re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """The words of a mail, in lower case.

    A word is a run of letters of any script, with their marks and the apostrophes between them; or a number with its
    points and commas; or one of ! $ £ € %, which tell spam apart. Everything else separates. Runs of more than
    40 characters are left out.

    In Chinese, Japanese, Thai, Lao, Burmese and Khmer no blanks stand between words. There every two neighbouring
    characters are a word, overlapping, as in Lucene's `CJKAnalyzer`: "abc" in such letters becomes "ab" and "bc".
    """
    return within_length(runs_of(text))


def within_length(runs: list[str]) -> list[str]:
    """Those that are short enough to be words."""
    return [run for run in runs if len(run) <= LONGEST_WORD]


def runs_of(text: str) -> list[str]:
    """As `words_of`, with runs of any length."""
    text = text.lower()
    if text.isascii():
        return PLAIN.findall(text)
    marks = "".join(sorted(c for c in set(text) if unicodedata.category(c) in ("Mn", "Mc") and not _selects(c)))
    if marks:  # an accent of its own becomes one character with its letter, as it is written by others
        text = unicodedata.normalize("NFC", text)
    runs = _pattern(marks).findall(text)
    if not HAS_UNSPACED.search(text):
        return runs
    return [part for run in runs for piece in _pieces(run) for part in piece]


@lru_cache(maxsize=256)
def _pattern(marks: str) -> re.Pattern[str]:
    """Finds words whose letters may carry these marks, which Python's classes do not count among the letters."""
    return re.compile(TOKEN.format(letter=f"{LETTER}[{marks}]*")) if marks else PLAIN


def _selects(character: str) -> bool:
    """Whether it is a variation selector, which chooses the picture of an emoji."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _pieces(run: str) -> Iterator[list[str]]:
    """What is within a run of letters: pairs of characters where no blanks are written, else the letters as a whole."""
    for piece in RUNS.findall(run):
        characters = re.findall(rf"{LETTER}\W*", piece)  # each with its marks
        if not HAS_UNSPACED.match(piece) or len(characters) < 2:
            yield [piece]
        else:
            yield [first + second for first, second in pairwise(characters)]


def public_text() -> Iterable[str]:
    """English that everybody has: the help texts of Python, and its library's docstrings."""
    from veilbench.text import english

    topics = english.topics()
    return [*topics, english.docstrings(topics)]


class Tokeniser:
    """Cuts mails into words, numbers the words, and cuts or pads each mail to one length.

    Args:
        vocabulary: where the words' numbers come from. `public`: a list made from public text, here Python's own
            documentation or `word_list`; words outside it are unknown. `hashed`: no list; every word falls into one of
            `most_words` buckets, by BLAKE2b, and words may share one. `clients`: a list made from the clients' own
            training mails, which tells every client all words of all others, rare names and numbers included.
        most_words: the cap on the vocabulary: the commonest words, or the number of buckets.
        longest: words of a row; the rest of a longer mail is cut off.
        word_list: a text file for `public`: its words, the commonest of them first.
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
        """The vocabulary; `mails`, the clients' training mails as words, are looked at with `clients` alone."""
        if self.vocabulary == "hashed":
            return Vocabulary([], self.most_words)
        counted = Counter(word for mail in (mails if self.vocabulary == "clients" else self._public()) for word in mail)
        if not counted:
            raise UserError(f"the vocabulary {self.vocabulary} is empty: there is no word to make it from")
        ranked = sorted(counted, key=lambda word: (-counted[word], word))
        return Vocabulary(ranked[: self.most_words])

    def _public(self) -> Iterable[list[str]]:
        if self.word_list is None:
            return map(words_of, public_text())
        try:
            return [words_of(Path(self.word_list).read_text(encoding="utf8", errors="replace"))]
        except OSError as error:
            raise UserError(f"word_list={self.word_list} cannot be read: {error.strerror}") from error

    def rows(self, mails: Sequence[Sequence[str]], vocabulary: Vocabulary) -> np.ndarray:
        """Mails as words to shape (n, longest), int32, padded at the end."""
        return encoded(mails, vocabulary, self.longest)


def encoded(mails: Sequence[Sequence[str]], vocabulary: Vocabulary, longest: int) -> np.ndarray:
    """Mails as words to shape (n, longest), int32, padded at the end."""
    made = np.full((len(mails), longest), PAD, np.int32)
    for row, mail in zip(made, mails, strict=True):
        numbers = vocabulary.numbers(mail[:longest])
        row[: len(numbers)] = numbers
    return made
