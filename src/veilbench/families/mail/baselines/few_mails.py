"""A filter of a few training mails, which reveals them by its words."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, require_arguments
from veilbench.families.mail.baselines.plain_federation import PlainFederation
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer


class FewMails(SpamScorer):
    """Logistic regression on a few training mails, in a federation whose clients have one mail each.

    Each training mail and each test mail begins with a word that no other mail has, as far as the vocabulary has so
    many unused words. The updates are sent unprotected, in one round. This is the positive control of membership
    inference by words, by the optimum and by updates. `fit` returns a `MailFilter`.

    Args:
        mails: number of training mails, dealt to the clients in turn, and of test mails.
        clients: number of clients.
    """

    trained_kind = MailFilter

    def __init__(self, mails: Count = 120, clients: Annotated[Count, Ge(3)] = 120) -> None:
        self.mails, self.clients = mails, clients

    def keep(self, data: Mails) -> Mails:
        """Return the data with the first training mails and as many test mails, each with a word of its own."""
        first = np.arange(min(self.mails, len(data.train), len(data.test)))
        ours, theirs = np.array_split(data.unused_numbers[: 2 * len(first)], 2)
        train, test = _begin_with(data.train[first], ours), _begin_with(data.test[first], theirs)
        return replace(data, train=train, test=test, clients=first % self.clients)

    def fit(self, data: Mails, rng: np.random.Generator) -> MailFilter:
        """Fit the filter to the first training mails."""
        fitted = PlainFederation().fit(self.keep(data), rng)
        fitted.protocol = replace(fitted.protocol, rounds=1) if fitted.protocol else None
        return fitted

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Return zeros, shape (n,): the filter is not fitted."""
        return np.zeros(len(tokens))

    def settings(self) -> dict[str, Any]:
        """Return the numbers of mails and clients."""
        return {"mails": self.mails, "clients": self.clients}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return an empty dict: there are no arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> FewMails:
        """Construct the unfitted filter from its settings."""
        require_arguments(cls, settings, "settings")
        return cls(**settings)


def _begin_with(mails: MailPart, words: np.ndarray) -> MailPart:
    """Return the mails with these as their first words, one each, as far as they go."""
    tokens = mails.tokens.copy()
    tokens[: len(words), 0] = words
    return replace(mails, tokens=tokens)
