"""Text for the ciphers: random words for training, and held-out English text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from veilbench.bench import prepared
from veilbench.bench.contracts import DataSet
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Seed, require_room
from veilbench.text import alphabet, english

PARTS = ("words", "statistics", "target", "unseen")


@dataclass(frozen=True)
class Texts:
    """Texts as symbols 0 to 90, uint8, one array of shape (length,) per part; the English parts share no document.

    Attributes:
        words: random words for training.
        statistics: English from which the attacker estimates the statistics of the language.
        target: English that is encrypted and attacked.
        unseen: English for the evaluations.
        notes: notes about what was dropped when the texts were prepared.
    """

    words: np.ndarray
    statistics: np.ndarray
    target: np.ndarray
    unseen: np.ndarray
    notes: list[str] = field(default_factory=list)


def draw_words(count: int, longest: int, rng: np.random.Generator) -> str:
    """Draw `count` words of 1 to `longest` distinct characters of the alphabet, each followed by a space."""
    lengths = rng.integers(1, longest + 1, count)
    words = (rng.choice(alphabet.SIZE, length, replace=False).astype(np.uint8) for length in lengths)
    return "".join(alphabet.decode(word) + " " for word in words)


class TextData(DataSet):
    """Random words as in the source system, and Python's help texts, split by document.

    Args:
        words: minimum and maximum number of random words for training; the number is drawn uniformly.
        longest_word: maximum length of a word in characters; at most 91, since a word's characters are distinct.
        docstrings: whether the part `statistics` includes the docstrings of Python's standard library.
        seed: seed of the words and of the split of the documents.
    """

    data_kind = Texts

    def __init__(
        self,
        words: Sequence[Count] = (1000, 1500),
        longest_word: Count = 10,
        docstrings: bool = True,
        seed: Seed = 0,
    ) -> None:
        if len(words) != 2 or not 1 <= words[0] <= words[1]:
            raise ValueError(f"words={list(words)} must be two numbers, at least 1, the smaller first")
        if longest_word > alphabet.SIZE:
            raise ValueError(f"longest_word={longest_word} must be at most {alphabet.SIZE}: its letters are distinct")
        require_room(f"words={words[1]} of up to longest_word={longest_word}", words[1], longest_word, each=1)
        self.words, self.longest_word = words, longest_word
        self.docstrings, self.seed = docstrings, seed

    def prepare(self, folder: Path) -> None:
        """Write one text file per part."""
        rng = np.random.default_rng(self.seed)
        count = int(rng.integers(self.words[0], self.words[1] + 1))
        parts = [draw_words(count, self.longest_word, rng)]
        documents = self.read_documents()
        parts += english.split(documents, [0.3, 0.55, 0.15], rng)
        if self.docstrings:
            parts[1] += " " + english.load_docstrings(documents)
        for name, part in zip(PARTS, parts, strict=True):
            (folder / f"{name}.txt").write_text(part, encoding="ascii")

    def read_documents(self) -> list[str]:
        """Return the documents to split into parts, normalised to the alphabet."""
        return english.load_topics()

    def load(self, folder: Path) -> Texts:
        """Read the files that `prepare` wrote.

        Raises:
            UserError: a file is missing, empty or damaged.
        """
        words, statistics, target, unseen = (_read_symbols(folder, name) for name in PARTS)
        return Texts(words, statistics, target, unseen)


def _read_symbols(folder: Path, name: str) -> np.ndarray:
    """Read the symbols of one part.

    Raises:
        UserError: the file is missing, empty, or contains characters outside the alphabet; the message names it.
    """
    path = folder / f"{name}.txt"
    if not path.is_file():
        raise UserError(f"the prepared data lacks {path}; run `dvc repro prepare`")
    with prepared.whole(folder):
        content = path.read_text("ascii", errors="surrogateescape")  # `alphabet.encode` reports invalid bytes
        try:
            symbols = alphabet.encode(content)
        except UserError as error:
            raise ValueError(f"{path.name}: {error}") from error
        if not len(symbols):
            raise ValueError(f"{path.name} is empty")
        return symbols
