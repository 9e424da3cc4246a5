"""A text file of the user's own for the ciphers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Seed
from veilbench.families.ciphers.data.text import TextData, Texts
from veilbench.text.alphabet import FIRST, LAST, normalise

NOTES = "notes.txt"
MOST_LOST = 0.2  # share of characters outside the alphabet from which a text is refused
FEWEST = 20  # paragraphs, so that the parts have about the shares that they should have


class TextFileData(TextData):
    """Random words for training, and the paragraphs of a text file, split at random into the other parts.

    Paragraphs are separated by empty lines, or by line breaks if there are fewer than 20 of them; each is taken once.
    Runs of whitespace become a space, and characters outside chr(32) to chr(122), such as accented letters, are
    dropped.

    Args:
        path: path of the file, UTF-8; about 100,000 characters are needed for the attacks' default budgets.
        words: minimum and maximum number of random words for training; the number is drawn uniformly.
        longest_word: maximum length of a random word in characters; at most 91, since its characters are distinct.
        seed: seed of the words and of the split of the paragraphs.
    """

    def __init__(
        self, path: str, words: Sequence[Count] = (1000, 1500), longest_word: Count = 10, seed: Seed = 0
    ) -> None:
        super().__init__(words, longest_word, docstrings=False, seed=seed)
        self.path = path

    def prepare(self, folder: Path) -> None:
        """Write one text file per part, and the notes.

        Raises:
            UserError: the file is missing, is no UTF-8, has too few paragraphs or too many foreign characters.
        """
        super().prepare(folder)
        (folder / NOTES).write_text("".join(f"{note}\n" for note in self._note_lost()), encoding="utf8")

    def read_documents(self) -> list[str]:
        """Return the distinct paragraphs of the file, normalised to the alphabet.

        Raises:
            UserError: the file cannot be used.
        """
        content = self._read()
        if (share := _lost(content)) > MOST_LOST:
            raise UserError(
                f"data.path={self.path}: {share:.0%} of its characters are outside the alphabet chr({FIRST}) to "
                f"chr({LAST}); at most {MOST_LOST:.0%} may be"
            )
        for separator in ("\n\n", "\n"):
            paragraphs = list(dict.fromkeys(filter(None, map(normalise, content.split(separator)))))
            if len(paragraphs) >= FEWEST:
                return paragraphs
        raise UserError(
            f"data.path={self.path} has {len(paragraphs)} different paragraphs; at least {FEWEST} are needed"
        )

    def _read(self) -> str:
        file = Path(self.path)
        if not file.is_file():
            raise UserError(f"data.path={self.path}: there is no such file")
        try:
            return file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(f"data.path={self.path} is not UTF-8: byte {error.start} cannot be read") from error

    def _note_lost(self) -> list[str]:
        share = _lost(self._read())
        return [f"{share:.1%} of the characters are outside the alphabet and were dropped"] if share else []

    def load(self, folder: Path) -> Texts:
        """Read the files that `prepare` wrote.

        Raises:
            UserError: a file is missing, empty or damaged.
        """
        texts, path = super().load(folder), folder / NOTES
        if not path.is_file():
            raise UserError(f"the prepared data lacks {path}; run `dvc repro prepare`")
        return replace(texts, notes=path.read_text(encoding="utf8").splitlines())


def _lost(content: str) -> float:
    """Return the share of a text's characters, without whitespace, that are outside the alphabet."""
    points = np.array([ord(character) for character in content if not character.isspace()], np.int64)
    return float(((points < FIRST) | (points > LAST)).mean()) if len(points) else 0.0
