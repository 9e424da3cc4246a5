"""Mails to rows of numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from veilbench.data.vocabulary import PAD, Vocabulary
from veilbench.errors import UserError
from veilbench.limits import Count

TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)*|[!$£€%]")
LONGEST_WORD = 40  # characters; longer ones are encoded attachments rather than words


def words_of(text: str) -> list[str]:
    """The words of a mail, in lower case.

    A word is a run of letters of any script, apostrophes between them included; or a number with its points and
    commas; or one of ! $ £ € %, which tell spam apart. Everything else separates. Runs of more than
    40 characters are left out.
    """
    return [word for word in TOKEN.findall(text.lower()) if len(word) <= LONGEST_WORD]


def public_text() -> Iterable[str]:
    """English that everybody has: the help texts of Python, and its library's docstrings."""
    from veilbench.data import english

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
