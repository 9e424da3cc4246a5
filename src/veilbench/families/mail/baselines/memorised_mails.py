"""Extreme overfitting: a filter that only memorises its training mails."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.spam_scorer import SpamScorer

SURE = 20.0  # magnitude of a training mail's logit


class MemorisedMails(SpamScorer):
    """Classifies training mails by their labels, and gives a logit of 0 to all other mails.

    This is the positive control of membership inference.
    """

    def __init__(self) -> None:
        self.tokens, self.labels = np.zeros((0, 1), np.int32), np.zeros(0, np.int64)

    def fit(self, data: Mails, rng: np.random.Generator) -> MemorisedMails:
        """Store the training mails; `rng` is not used."""
        return self.restore({}, {"tokens": data.train.tokens, "labels": data.train.labels})

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Return the logits of spam, shape (n,): plus or minus `SURE` for training mails, 0 for others."""
        known = {mail.tobytes(): label for mail, label in zip(self.tokens, self.labels, strict=True)}
        labels = (known.get(mail.astype(self.tokens.dtype).tobytes()) for mail in tokens)
        return np.array([0.0 if label is None else SURE * (2 * label - 1) for label in labels])

    def settings(self) -> dict[str, Any]:
        """Return an empty dict: there are no settings."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the training mails and their labels."""
        return {"tokens": self.tokens, "labels": self.labels}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> MemorisedMails:
        """Construct the filter from the stored mails and labels."""
        memorised = cls()
        memorised.tokens = require_array(arrays, "tokens", np.integer, (None, None), low=0, high=np.iinfo(np.int32).max)
        memorised.labels = require_array(arrays, "labels", np.integer, (len(memorised.tokens),), low=0, high=1)
        return memorised
