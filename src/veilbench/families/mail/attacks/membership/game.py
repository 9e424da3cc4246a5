"""The membership game about mails, and the mails' scores on each path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from veilbench.attack_methods.membership_attack import Game
from veilbench.families.mail.attacks.membership.observers import (
    BAVARIA,
    FEDMIA,
    LIRA,
    LIRA_OFFLINE,
    RMIA,
    ZERO_ROWS,
)
from veilbench.families.mail.attacks.membership.optimum import score_optimum
from veilbench.families.mail.attacks.membership.updates import ReadUpdates, score_fedmia, score_moved_rows
from veilbench.families.mail.attacks.membership.words import query_words, score_words
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.mail.shadow_pool import ShadowPool, join_mails
from veilbench.families.mail.shadows import LEARNING_RATE
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.metrics.shadow_scores import bavaria, lira_offline, lira_online, rmia

RATIOS = {LIRA: lira_online, LIRA_OFFLINE: lira_offline, BAVARIA: bavaria}


@dataclass(frozen=True)
class PublicTraining:
    """What is public of a filter's training.

    Attributes:
        protocol: public settings of its federation; None if there was none.
        inverse_penalty: inverse strength of the penalty of its fit; None if it was not fitted to convergence.
    """

    protocol: Protocol | None = None
    inverse_penalty: float | None = None

    @classmethod
    def of(cls, trained: SpamScorer) -> PublicTraining:
        """Return what is public of this filter's training; nothing of a filter that the user brings."""
        return cls(trained.protocol, trained.inverse_penalty) if isinstance(trained, MailFilter) else cls()

    def without_noise(self) -> PublicTraining:
        """Return the training without differential privacy, by Adam: steps for clipped gradients would diverge."""
        if self.protocol is None or not self.protocol.build_aggregation().delta:
            return self
        plain = describe_aggregation(Plain())
        protocol = replace(self.protocol, aggregation=plain, optimizer="adam", learning_rate=LEARNING_RATE)
        return replace(self, protocol=protocol)


@dataclass(frozen=True)
class MailGame(Game[SpamScorer, Mails, np.ndarray]):
    """The membership game about mails; records are indices into `shadow_pool.join_mails`.

    Attributes:
        training: how the shadow filters are trained: as the target was, also where the game is about a control.
    """

    training: PublicTraining

    @cached_property
    def mails(self) -> MailPart:
        """All mails of the pool: training, test and auxiliary mails."""
        return join_mails(self.data)

    @cached_property
    def asked(self) -> np.ndarray:
        """Indices of the mails in question, members first, shape (2 * n,)."""
        return np.concatenate([self.members, self.others])

    @cached_property
    def confidences(self) -> np.ndarray:
        """The target's logits of the labels of all mails of the pool, shape (size,)."""
        logits: np.ndarray = self.target.logits(self.mails.tokens) * (2 * self.mails.labels - 1)
        return logits

    def score_words(self, path: str) -> np.ndarray:
        """Score the mails in question by the words that moved: by one-word queries, or by the rows of the weights."""
        tokens, size = self.mails.tokens[self.asked], self.data.vocabulary.size
        if path == ZERO_ROWS:
            assert isinstance(self.target, MailFilter)
            moved = (self.target.weights["embedding.weight"] != 0).any(1)
        else:
            moved = query_words(self.target, tokens, size)
        return score_words(tokens, moved, self.data.auxiliary.tokens, len(self.data.train))

    def score_optimum(self) -> np.ndarray:
        """Score all mails of the pool by how much of the weights they explain, shape (size,)."""
        assert isinstance(self.target, MailFilter)
        return score_optimum(self.target, self.mails, len(self.data.train))

    def compare(self, path: str, pool: ShadowPool) -> np.ndarray:
        """Score the mails in question by a pool of shadow filters.

        For LiRA and BaVarIA the target's confidences are first shifted to the shadows' median: the training of a filter
        that the user brings may be unknown, and then all its logits may be larger. RMIA compares with the population
        instead, which are the auxiliary mails.
        """
        shadows, inside = pool.confidences[:, self.asked], pool.inside[:, self.asked]
        if path == RMIA:
            known = slice(len(self.mails) - len(self.data.auxiliary), None)
            population = self.confidences[known], pool.confidences[:, known]
            return rmia(self.confidences[self.asked], shadows, inside, population)
        shift = np.median(pool.confidences) - np.median(self.confidences)
        return RATIOS[path](self.confidences[self.asked] + shift, shadows, inside)

    def score_clients(self, path: str, read: ReadUpdates) -> np.ndarray:
        """Score whether each mail in question is each client's, shape (clients, 2 * n)."""
        mails = self.mails[self.asked]
        if path == FEDMIA:
            return score_fedmia(read, mails)
        return score_moved_rows(read, mails, self.data.auxiliary.tokens)
