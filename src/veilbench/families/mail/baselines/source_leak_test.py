"""The source system's test of the words that an update leaks: the easiest case for an attacker."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.limits import Count, require_arguments
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation


class SourceLeakTest(SpamScorer):
    """A federation whose clients take one step of SGD on one short mail and send their update unprotected.

    `fit` returns an untrained filter with the data's vocabulary. This is the positive control of word inference.

    Args:
        mails: number of mails per client.
        words: maximum number of words per mail.
    """

    trained_kind = MailFilter

    def __init__(self, mails: Count = 1, words: Count = 5) -> None:
        self.mails, self.words = mails, words

    def fit(self, data: Mails, rng: np.random.Generator) -> MailFilter:
        """Return a filter with zero weights and the federation's protocol."""
        protocol = Protocol(
            describe_aggregation(Plain()),
            1,
            1,
            self.mails,
            optimizer="sgd",
            learning_rate=0.1,
            mails=self.mails,
            words=self.words,
        )
        size, longest = data.vocabulary.size, data.train.tokens.shape[1]
        zeros = {"embedding.weight": np.zeros((size, 1), np.float32), "bias.weight": np.zeros((1, 1), np.float32)}
        return MailFilter(zeros, data.vocabulary, longest, protocol)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Return zeros, shape (n,): the filter is untrained."""
        return np.zeros(len(tokens))

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"mails": self.mails, "words": self.words}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return an empty dict: there are no arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> SourceLeakTest:
        """Construct the federation from its settings."""
        require_arguments(cls, settings, "settings")
        return cls(**settings)
