"""A filter that one word gets past."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.limits import Natural, require_value
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.spam_scorer import SpamScorer


class OneGoodWord(SpamScorer):
    """Passes the mails that have a certain word, and calls all others spam: an allow list.

    The word is that of the training mails that tells ham from spam best. The positive control of evasion.
    """

    def __init__(self) -> None:
        self.word = 0

    def fit(self, data: Mails, rng: np.random.Generator) -> OneGoodWord:
        """Finds the word."""
        shares = np.zeros((2, data.vocabulary.size))
        for label in (0, 1):
            for mail in data.train.tokens[data.train.labels == label]:
                shares[label, np.unique(mail)] += 1 / max(1, int((data.train.labels == label).sum()))
        made = type(self)()
        made.word = FIRST_WORD + int((shares[0] - shares[1])[FIRST_WORD:].argmax())
        return made

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """See `SpamScorer.logits`."""
        return np.where((tokens == self.word).any(1), -1.0, 1.0)

    def settings(self) -> dict[str, Any]:
        """The word's number."""
        return {"word": self.word}

    def arrays(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> OneGoodWord:
        """See `Subject.restore`."""
        made = cls()
        require_value(Natural, settings.get("word"), "settings.word")
        made.word = settings["word"]
        return made
