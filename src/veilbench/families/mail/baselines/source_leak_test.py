"""The source system's own test of what an update leaks: the easiest case there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.limits import Count, require_arguments
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, described


class SourceLeakTest(SpamScorer):
    """A federation whose clients have one mail of a few words each, take one step of SGD, and send what they learned.

    Made ready it is an untrained filter of the data's vocabulary. The positive control of the attack on words.

    Args:
        mails: of a client.
        words: of a mail.
    """

    trained_kind = MailFilter

    def __init__(self, mails: Count = 1, words: Count = 5) -> None:
        self.mails, self.words = mails, words

    def fit(self, data: Mails, rng: np.random.Generator) -> MailFilter:
        """Weights of zero, and the protocol."""
        protocol = Protocol(
            described(Plain()), 1, 1, self.mails, optimizer="sgd", learning_rate=0.1, mails=self.mails, words=self.words
        )
        size, longest = data.vocabulary.size, data.train.tokens.shape[1]
        zeros = {"embedding.weight": np.zeros((size, 1), np.float32), "bias.weight": np.zeros((1, 1), np.float32)}
        return MailFilter(zeros, data.vocabulary, longest, protocol)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """It has learned nothing."""
        return np.zeros(len(tokens))

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"mails": self.mails, "words": self.words}

    def arrays(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> SourceLeakTest:
        """See `Subject.restore`."""
        require_arguments(cls, settings, "settings")
        return cls(**settings)
