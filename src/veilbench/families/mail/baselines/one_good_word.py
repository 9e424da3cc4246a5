"""A filter that any mail evades by one word."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.limits import Natural, require_value
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.spam_scorer import SpamScorer


class OneGoodWord(SpamScorer):
    """Classifies mails that contain a certain word as ham, and all others as spam.

    The word is the one that separates ham from spam best in the training mails. This is the positive control of evasion
    attacks.
    """

    def __init__(self) -> None:
        self.word = 0

    def fit(self, data: Mails, rng: np.random.Generator) -> OneGoodWord:
        """Find the word; `rng` is not used."""
        shares = np.zeros((2, data.vocabulary.size))
        for label in (0, 1):
            for mail in data.train.tokens[data.train.labels == label]:
                shares[label, np.unique(mail)] += 1 / max(1, int((data.train.labels == label).sum()))
        fitted = type(self)()
        fitted.word = FIRST_WORD + int((shares[0] - shares[1])[FIRST_WORD:].argmax())
        return fitted

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Return the logits of spam, shape (n,): -1 for mails with the word, 1 for others."""
        return np.where((tokens == self.word).any(1), -1.0, 1.0)

    def settings(self) -> dict[str, Any]:
        """Return the word's number."""
        return {"word": self.word}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return an empty dict: there are no arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> OneGoodWord:
        """Construct the filter from the word's number."""
        restored = cls()
        require_value(Natural, settings.get("word"), "settings.word")
        restored.word = settings["word"]
        return restored
