"""Base class of filters that the user brings and that score texts instead of word numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.foreign import foreign_errors
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.filter import NO_FEDERATION
from veilbench.families.mail.schemes.spam_scorer import SpamScorer

SMALLEST = 1e-15  # probabilities closer to 0 or 1 would have logits that are not finite
AT_ONCE = 2_000  # mails per call, to bound the memory


class TextScorer(SpamScorer):
    """A filter with `predict_proba` on texts.

    The bench's mails are word numbers, so that attacks can add and remove words. A mail reaches the filter as its words
    in lower case, separated by spaces, without punctuation, and not longer than the tokeniser's `longest`. Words that
    share a number are read as one of them, and unknown words are left out.

    Attributes:
        words: the word of each number, shape (size of the vocabulary,); empty for padding, unknown and unused numbers.
        pipeline: fitted object with `predict_proba` and `classes_`.
        spam: the class that stands for spam, as a text.
    """

    data_kind = Mails
    finished: ClassVar[bool] = True

    def __init__(self, spam: str) -> None:
        self.words: list[str] = []
        self.pipeline: Any = None
        self.spam = spam

    @abstractmethod
    def described(self) -> str:
        """Return how error messages call the filter."""

    def lacks(self) -> Mapping[str, str]:
        """Return what attacks on a federation need."""
        return NO_FEDERATION

    def texts(self, tokens: np.ndarray) -> list[str]:
        """Return mails as texts.

        Args:
            tokens: word numbers of the mails, shape (n, length), 0 for padding.
        """
        return [" ".join(filter(None, (self.words[number] for number in mail[mail >= FIRST_WORD]))) for mail in tokens]

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Map word numbers of shape (n, length) to logits of spam, shape (n,), float64."""
        from scipy.special import logit

        starts = range(0, len(tokens), AT_ONCE)
        parts = [self.score_texts(self.texts(tokens[start : start + AT_ONCE])) for start in starts]
        made: np.ndarray = logit(np.clip(np.concatenate(parts) if parts else np.empty(0), SMALLEST, 1 - SMALLEST))
        return made

    def score_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the filter's own probability of spam of each text, shape (n,), float64.

        Raises:
            UserError: the filter fails, has no class `spam`, or gives no probabilities.
        """
        with foreign_errors(f"{self.described()} cannot score {len(texts)} mails"):
            classes = [str(name) for name in self.pipeline.classes_]
            made = np.asarray(self.pipeline.predict_proba(texts), np.float64)
        if self.spam not in classes:
            raise UserError(f"spam={self.spam} is no class of {self.described()}; there are: {', '.join(classes)}")
        if made.shape != (len(texts), len(classes)) or not ((made >= 0) & (made <= 1)).all():
            raise UserError(f"{self.described()} gives no probabilities of shape {(len(texts), len(classes))}")
        return made[:, classes.index(self.spam)]


def list_words_by_number(mails: Mails) -> list[str]:
    """Return the word of each number; the first in the lexicon's order, if several words share it."""
    words = [""] * mails.vocabulary.size
    for word, number in zip(mails.lexicon, mails.vocabulary.to_numbers(mails.lexicon), strict=True):
        if number >= FIRST_WORD:
            words[number] = words[number] or word
    return words


def note_lost_words(mails: Mails) -> list[str]:
    """Return a note that says how many of the corpus' words the filter cannot tell apart, or does not see."""
    numbers = np.array(mails.vocabulary.to_numbers(mails.lexicon), np.int64)
    known = len(np.unique(numbers[numbers >= FIRST_WORD]))
    if known == len(numbers):
        return []
    return [
        f"{len(numbers) - known:,} of the corpus' {len(numbers):,} words are unknown to the vocabulary or share a "
        "number with another word: the filter does not see them; raise data.tokeniser.most_words"
    ]
